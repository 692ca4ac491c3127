#include "text/tokenizer_file.h"

#include "base/error.h"

namespace gremium {

namespace {

using Json = nlohmann::json;

// Listens to the parser (nlohmann's SAX interface): a document of a hundred thousand small values takes several times
// as long to build as to read.
class Listener {
  public:
    explicit Listener(TokenizerFile& file) : file_(file) {}

    bool null() { return value(Json()); }
    bool boolean(bool b) { return value(Json(b)); }
    bool number_integer(int64_t n) { return number(n, static_cast<double>(n)); }
    bool number_unsigned(uint64_t n) { return number(static_cast<int64_t>(n), static_cast<double>(n)); }
    bool number_float(double d, const std::string&) {
        return list_ == List::scores && depth_ == 2 ? score(d) : value(Json(d));
    }
    bool binary(Json::binary_t&) { return false; }

    bool string(std::string& text) {
        if (list_ == List::merges && depth_ == 1) return file_.merges.push_back(std::move(text)), true;
        if (list_ == List::merges && depth_ == 2) return part(text);
        if (list_ == List::scores && depth_ == 2) {
            file_.scores.emplace_back(std::move(text), 0);
            return ++parts_ == 1;
        }
        return value(Json(std::move(text)));
    }

    bool start_object(size_t) {
        if (list_ == List::none && in_model() && key_ == "vocab") return open(List::ids);
        if (list_ == List::none && in_model() && key_ == "merges") return list_ = List::merges, false;
        return list_ == List::none && push(Json::object());
    }
    bool start_array(size_t) {
        if (list_ == List::none && in_model() && key_ == "vocab") return open(List::scores);
        if (list_ == List::none && in_model() && key_ == "merges") return open(List::merges);
        if (list_ == List::none) return push(Json::array());
        parts_ = 0;
        return list_ != List::ids && ++depth_ == 2;
    }
    bool key(std::string& text) {
        key_ = std::move(text);
        return true;
    }
    bool end_object() { return list_ == List::none ? pop() : close(); }
    bool end_array() {
        if (list_ == List::none) return pop();
        return (depth_ == 1 || parts_ == 2) && close();
    }
    bool parse_error(size_t, const std::string&, const Json::exception&) { return false; }

    const char* list() const { return list_ == List::merges ? "merges" : list_ == List::none ? nullptr : "vocab"; }

  private:
    enum class List { none, ids, scores, merges };

    bool in_model() const { return stack_.size() == 2 && in_model_; }

    bool open(List list) {
        list_ = list;
        depth_ = 1;
        return true;
    }
    bool close() {
        if (--depth_ == 0) list_ = List::none;
        return true;
    }

    bool number(int64_t n, double d) {
        if (list_ == List::ids) return file_.ids.emplace_back(std::move(key_), n), true;
        return list_ == List::scores && depth_ == 2 ? score(d) : value(Json(n));
    }
    bool score(double d) {
        if (++parts_ != 2) return false;
        file_.scores.back().second = d;
        return true;
    }
    bool part(const std::string& text) {
        if (++parts_ == 1)
            file_.merges.push_back(text);
        else
            file_.merges.back().append(1, ' ').append(text);
        return parts_ <= 2;
    }

    // Puts a value where the settings are being read.
    bool value(Json v) {
        if (list_ != List::none) return false;
        place(std::move(v));
        return true;
    }
    Json& place(Json v) {
        if (stack_.empty()) return file_.settings = std::move(v);
        Json& parent = *stack_.back();
        if (parent.is_object()) return parent[key_] = std::move(v);
        parent.push_back(std::move(v));
        return parent.back();
    }
    bool push(Json container) {
        if (stack_.size() == 1) in_model_ = key_ == "model" && container.is_object();
        stack_.push_back(&place(std::move(container)));
        return stack_.size() < 100;
    }
    bool pop() {
        stack_.pop_back();
        return true;
    }

    TokenizerFile& file_;
    std::vector<Json*> stack_;  // open objects and arrays of the settings
    std::string key_;
    bool in_model_ = false;  // the second of them is "model"
    List list_ = List::none;
    int depth_ = 0, parts_ = 0;  // brackets open in the list; values so far in a pair of it
};

}  // namespace

TokenizerFile read_tokenizer_file(std::string_view bytes, std::string_view where) {
    TokenizerFile file;
    Listener listener(file);
    if (!Json::sax_parse(bytes, &listener)) {
        if (listener.list()) fail("{}: model.{} is not as the tokenizers library writes it", where, listener.list());
        fail("{}: not a JSON object", where);
    }
    if (!file.settings.is_object()) fail("{}: not a JSON object", where);
    return file;
}

}  // namespace gremium
