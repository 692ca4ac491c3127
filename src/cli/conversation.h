// The messages of a talk, as chat templates want them and as a file keeps them.
#pragma once

#include <optional>
#include <string>

#include <nlohmann/json.hpp>

namespace gremium::cli {

class Conversation {
  public:
    using Json = nlohmann::ordered_json;

    void add(const std::string& role, const std::string& content);
    // The instructions before everything else; an empty text: none.
    void set_system(const std::string& content);
    const Json& messages() const { return messages_; }
    // Those that are shown to the model: all but the oldest turns that were dropped.
    Json shown() const;
    size_t dropped() const { return dropped_; }
    // One more turn is not shown: a message of the user and what follows it. False: the last turn is all there is.
    bool drop_turn();

    // Of the last turn; nothing where there is none.
    std::optional<std::string> last_question() const;
    bool answered() const;
    void remove_answer();
    void remove_turn();
    void clear();  // but for the instructions

    // A file {"messages": [{"role": …, "content": …}, …]}, or the list alone. Throw Error.
    void save(const std::string& file) const;
    void load(const std::string& file);

  private:
    bool has_system() const;
    size_t first() const { return has_system() ? 1 : 0; }
    void forget_dropped();

    Json messages_ = Json::array();
    size_t dropped_ = 0;
};

}  // namespace gremium::cli
