#include "text/jinja/builtins.h"

#include <algorithm>
#include <ctime>

#include "base/error.h"

namespace gremium::jinja {

Value argument(const Arguments& given, size_t place, std::string_view name, Value standard) {
    const Value* found = given.find(place, name);
    return found ? *found : standard;
}

Value required(const Arguments& given, size_t place, std::string_view name) {
    const Value* found = given.find(place, name);
    if (!found) fail("argument '{}' is missing", name);
    return *found;
}

bool flag(const Arguments& given, size_t place, std::string_view name) {
    return argument(given, place, name, false).truth();
}

size_t size_argument(const Arguments& given, size_t place, std::string_view name, int64_t standard) {
    const int64_t size = argument(given, place, name, standard).integer();
    if (size > 1'000'000) fail("'{}' is {}, at most 1000000 is supported", name, size);
    return static_cast<size_t>(std::max<int64_t>(0, size));
}

void check_arguments(std::string_view called, const Arguments& given, std::string_view parameters) {
    if (parameters == "*") return;
    std::vector<std::string_view> names;
    for (std::string_view rest = parameters; !rest.empty();) {
        const size_t end = rest.find(' ');
        names.push_back(rest.substr(0, end));
        rest.remove_prefix(end == rest.npos ? rest.size() : end + 1);
    }
    if (given.positional.size() > names.size())
        fail("{} takes {} arguments, not {}", called, names.size(), given.positional.size());
    for (const auto& [name, value] : given.named) {
        const auto place = std::ranges::find(names, name) - names.begin();
        if (place == std::ssize(names)) fail("{} has no argument '{}'", called, name);
        if (place < std::ssize(given.positional)) fail("{} is given '{}' twice", called, name);
    }
}

namespace {

template <typename Result>
const Builtin<Result>* look_up(const Builtins<Result>& table, const std::string& name) {
    const auto it = table.find(name);
    return it == table.end() ? nullptr : &it->second;
}

template <typename Result>
void append_names(const Builtins<Result>& table, std::vector<std::string_view>& names) {
    for (const auto& row : table) names.push_back(row.first);
}

[[noreturn]] void unknown(std::string_view kind, const std::string& name, std::vector<std::string_view> names) {
    std::ranges::sort(names);
    fail("{} '{}' is not supported; supported: {}", kind, name, fmt::join(names, ", "));
}

Value range(Evaluator& e, const Arguments& given) {
    check_arguments("range", given, "start stop step");
    if (!given.named.empty()) fail("range's arguments have no names");
    const auto at = [&](size_t i) { return given.positional.at(i).integer(); };
    const size_t n = given.positional.size();
    if (n < 1) fail("range needs one to three integers");
    const int64_t from = n > 1 ? at(0) : 0, to = n > 1 ? at(1) : at(0), step = n > 2 ? at(2) : 1;
    if (step == 0) fail("range's step is zero");
    List list;
    for (int64_t i = from; step > 0 ? i < to : i > to;) {
        e.budget().take_values(1);
        list.push_back(i);
        if (__builtin_add_overflow(i, step, &i)) break;
    }
    return {std::move(list), Shape::range};
}

// Of dict(…) and namespace(…): a mapping or pairs, then names.
Dict mapping(Evaluator& e, const Arguments& given) {
    Dict dict;
    if (given.positional.size() > 1) fail("dict and namespace take one mapping");
    if (!given.positional.empty() && given.positional[0].is_mapping()) {
        dict.items = given.positional[0].dict()->items;
        e.budget().take_values(2 * dict.items.size());
    } else if (!given.positional.empty()) {
        for (const Value& pair : e.iterate(given.positional[0])) {
            const List parts = e.iterate(pair);
            if (parts.size() != 2) fail("a mapping is made of pairs, not of {} values", parts.size());
            dict.set(parts[0], parts[1], e.budget());
        }
    }
    for (const auto& [name, value] : given.named) dict.set(name, value, e.budget());
    return dict;
}

Value now(Evaluator& e, const Arguments& given) {
    check_arguments("strftime_now", given, "format");
    const std::string format = e.text(required(given, 0, "format"));
    const std::time_t time = std::time(nullptr);
    std::tm local{};
    localtime_r(&time, &local);
    std::string text(1024, '\0');
    text.resize(std::strftime(text.data(), text.size(), format.c_str(), &local));
    return text;
}

// An object goes through values: next() gives one after another, `current` is the one that comes.
Value cycler(Evaluator&, const Arguments& given) {
    if (given.positional.empty() || !given.named.empty()) fail("cycler needs values");
    const auto object = std::make_shared<Dict>();
    object->kind = Dict::object;
    const auto place = std::make_shared<size_t>(0);
    const auto step = [weak = std::weak_ptr(object), place, values = given.positional](bool back) {
        const Value now = values[*place];
        *place = back ? 0 : (*place + 1) % values.size();
        if (const auto self = weak.lock()) self->items[0].second = values[*place];
        return now;
    };
    object->items = {{"current", given.positional[0]},
                     {"next", Function([step](Evaluator&, const Arguments&) -> Value { return step(false); })},
                     {"reset", Function([step](Evaluator&, const Arguments&) -> Value {
                          step(true);
                          return {};
                      })}};
    return Value(object);
}

// Called, it is nothing at first and then what it joins with.
Value joiner(Evaluator&, const Arguments& given) {
    check_arguments("joiner", given, "sep");
    Dict object;
    object.kind = Dict::object;
    object.items = {{"sep", argument(given, 0, "sep", ", ")},
                    {"()", Function([used = std::make_shared<bool>(false), sep = argument(given, 0, "sep", ", ")](
                                        Evaluator&, const Arguments&) -> Value {
                         return std::exchange(*used, true) ? sep : Value("");
                     })}};
    return object;
}

}  // namespace

Value Evaluator::filter(const std::string& name, const Value& input, const Arguments& arguments) {
    const Builtin<Value>* found = look_up(text_filters(), name);
    if (!found) found = look_up(sequence_filters(), name);
    if (!found) {
        std::vector<std::string_view> names;
        append_names(text_filters(), names);
        append_names(sequence_filters(), names);
        unknown("filter", name, std::move(names));
    }
    check_arguments(name, arguments, found->parameters);
    return found->function(*this, input, arguments);
}

bool Evaluator::test(const std::string& name, const Value& input, const Arguments& arguments) {
    if (name == "filter" || name == "test") {
        const std::string sought = text(input);
        return name == "test" ? look_up(tests(), sought) || sought == "filter" || sought == "test"
                              : look_up(text_filters(), sought) || look_up(sequence_filters(), sought);
    }
    const Builtin<bool>* found = look_up(tests(), name);
    if (!found) {
        std::vector<std::string_view> names;
        append_names(tests(), names);
        unknown("test", name, std::move(names));
    }
    check_arguments(name, arguments, found->parameters);
    return found->function(*this, input, arguments);
}

std::map<std::string, Value> builtin_functions() {
    return {{"range", Function(range)},
            {"cycler", Function(cycler)},
            {"joiner", Function(joiner)},
            {"dict", Function([](Evaluator& e, const Arguments& given) -> Value { return mapping(e, given); })},
            {"namespace", Function([](Evaluator& e, const Arguments& given) -> Value {
                 Dict dict = mapping(e, given);
                 dict.kind = Dict::name_space;
                 return dict;
             })},
            {"raise_exception", Function([](Evaluator& e, const Arguments& given) -> Value {
                 fail("the template refuses this conversation: {}", e.text(required(given, 0, "message")));
             })},
            {"strftime_now", Function(now)}};
}

}  // namespace gremium::jinja
