// Members of records in tables: a table binds a member to its names in files, and codecs read and write it by them.
#pragma once

#include <string>
#include <type_traits>
#include <variant>
#include <vector>

#include "model/spec/names.h"

namespace gremium {

// A member that is an enumeration, and its names.
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

// A reference to a value in a record. Only code that reads files into the record changes it through this reference.
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

// FIELD_AT(moe.router.top_k): the Member for this path, for any record that has it.
#define FIELD_AT(path) ::gremium::member_at([](auto& record) -> auto& { return record.path; })

}  // namespace gremium
