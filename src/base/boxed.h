// A value that may be absent and lies on the heap, so that a record can hold another one of its own type.
#pragma once

#include <memory>
#include <utility>

namespace gremium {

// Behaves as a value: a copy copies what is inside, two are equal if both are absent or hold equal values.
template <typename T>
class Boxed {
  public:
    Boxed() = default;
    Boxed(T value) : value_(std::make_unique<T>(std::move(value))) {}
    Boxed(const Boxed& other) : value_(other ? std::make_unique<T>(*other) : nullptr) {}
    Boxed(Boxed&&) noexcept = default;
    Boxed& operator=(Boxed other) noexcept {
        value_ = std::move(other.value_);
        return *this;
    }
    ~Boxed() = default;

    explicit operator bool() const { return value_ != nullptr; }
    T& operator*() { return *value_; }
    const T& operator*() const { return *value_; }
    T* operator->() { return value_.get(); }
    const T* operator->() const { return value_.get(); }

    friend bool operator==(const Boxed& a, const Boxed& b) { return a && b ? *a == *b : !a == !b; }

  private:
    std::unique_ptr<T> value_;
};

}  // namespace gremium
