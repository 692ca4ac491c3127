#include "cli/conversation.h"

#include <algorithm>
#include <utility>

#include "base/atomic_file.h"
#include "base/error.h"
#include "base/json.h"
#include "cli/common.h"
#include "text/text_file.h"

namespace gremium::cli {
namespace {

using Json = Conversation::Json;

bool is(const Json& message, std::string_view role) { return message["role"].get_ref<const std::string&>() == role; }

Json message_of(const Json& given, size_t number, const std::string& file) {
    const auto text = [&](const char* key) -> std::string {
        if (!given.is_object() || !given.contains(key) || !given[key].is_string())
            fail("{}: message {} has no text \"{}\"", file, number, key);
        return given[key];
    };
    Json message = {{"role", text("role")}, {"content", text("content")}};
    for (const char* role : {"system", "user", "assistant"})
        if (is(message, role)) return message;
    fail("{}: message {} has the role \"{}\", expected system, user or assistant", file, number, text("role"));
}

}  // namespace

bool Conversation::has_system() const { return !messages_.empty() && is(messages_[0], "system"); }

void Conversation::add(const std::string& role, const std::string& content) {
    messages_.push_back({{"role", role}, {"content", content}});
}

void Conversation::set_system(const std::string& content) {
    if (has_system()) messages_.erase(0);
    if (!content.empty()) messages_.insert(messages_.begin(), Json{{"role", "system"}, {"content", content}});
}

Json Conversation::shown() const {
    Json some = messages_;
    const auto begin = some.begin() + static_cast<std::ptrdiff_t>(first());
    some.erase(begin, begin + static_cast<std::ptrdiff_t>(dropped_));
    return some;
}

bool Conversation::drop_turn() {
    size_t next = first() + dropped_ + 1;
    while (next < messages_.size() && !is(messages_[next], "user")) ++next;
    if (next >= messages_.size()) return false;
    dropped_ = next - first();
    return true;
}

bool Conversation::answered() const { return !messages_.empty() && is(messages_.back(), "assistant"); }

std::optional<std::string> Conversation::last_question() const {
    for (size_t i = messages_.size(); i-- > 0;)
        if (is(messages_[i], "user")) return messages_[i]["content"].get<std::string>();
    return std::nullopt;
}

void Conversation::remove_answer() {
    while (answered()) messages_.erase(messages_.size() - 1);
    forget_dropped();
}

void Conversation::remove_turn() {
    remove_answer();
    if (messages_.size() > first()) messages_.erase(messages_.size() - 1);
    forget_dropped();
}

// What was dropped made room for what is gone now.
void Conversation::forget_dropped() {
    if (messages_.size() <= first() + dropped_) dropped_ = 0;
}

void Conversation::clear() {
    while (messages_.size() > first()) messages_.erase(messages_.size() - 1);
    dropped_ = 0;
}

void Conversation::save(const std::string& file) const {
    write_file_atomically(file,
                          Json{{"messages", messages_}}.dump(2, ' ', false, Json::error_handler_t::replace) + "\n");
}

void Conversation::load(const std::string& file) {
    const Json json = parse_ordered_json(read_text(file), file);
    const Json& list = json.is_object() && json.contains("messages") ? json["messages"] : json;
    if (!list.is_array()) fail("{}: holds no list \"messages\"", file);
    Json messages = Json::array();
    for (const Json& given : list) messages.push_back(message_of(given, messages.size() + 1, file));
    messages_ = std::move(messages);
    dropped_ = 0;
}

}  // namespace gremium::cli
