// Members of records named by tables: a table binds a member to the names it has outside, codecs read and write it
// there.
#pragma once

#include <string>
#include <type_traits>
#include <variant>
#include <vector>

#include "model/spec/names.h"

namespace gremium {

// A member that is an enumeration, and its words.
struct Choice {
    uint8_t* value;
    std::span<const Word> words;
};

using ValueRef = std::variant<int*, int64_t*, float*, double*, bool*, std::string*, std::vector<std::string>*,
                              std::vector<int>*, std::vector<float>*, Choice>;

template <typename T>
ValueRef ref_to(T& value) {
    if constexpr (std::is_enum_v<T>) {
        static_assert(sizeof(T) == 1);
        return Choice{reinterpret_cast<uint8_t*>(&value), WordsOf<T>::list};
    } else {
        return &value;
    }
}

// Where a record has a value. The record is changed through it only by those who read into it.
template <typename Record>
using Member = ValueRef (*)(Record&);

template <typename Path>
struct MemberAt {
    template <typename Record>
    constexpr operator Member<Record>() const {
        return [](Record& record) { return ref_to(Path{}(record)); };
    }
};
template <typename Path>
constexpr MemberAt<Path> member_at(Path) {
    return {};
}

// FIELD_AT(moe.router.top_k): the Member of any record that has this path.
#define FIELD_AT(path) ::gremium::member_at([](auto& record) -> auto& { return record.path; })

}  // namespace gremium
