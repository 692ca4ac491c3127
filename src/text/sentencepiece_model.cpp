// The file tokenizer.model: sentencepiece.ModelProto, field numbers as in SentencePiece's
// src/sentencepiece_model.proto.
#include <algorithm>

#include "base/error.h"
#include "text/protobuf.h"
#include "text/sentencepiece.h"

namespace gremium {

namespace {

using protobuf::Field;
using protobuf::Reader;
using protobuf::Writer;

namespace model_field {
constexpr uint32_t pieces = 1, trainer_spec = 2, normalizer_spec = 3;
}
namespace piece_field {
constexpr uint32_t piece = 1, score = 2, type = 3;
}
namespace trainer_field {
constexpr uint32_t model_type = 3, vocab_size = 4, byte_fallback = 35, unk_id = 40, bos_id = 41, eos_id = 42,
                   pad_id = 43, unk_piece = 45, bos_piece = 46, eos_piece = 47, pad_piece = 48;
}
namespace normalizer_field {
constexpr uint32_t name = 1, precompiled_charsmap = 2, add_dummy_prefix = 3, remove_extra_whitespaces = 4,
                   escape_whitespaces = 5;
}
constexpr uint64_t unigram = 1, bpe = 2;  // TrainerSpec.ModelType

// What the model says beside its pieces, with the defaults of the format.
struct Specs {
    uint64_t model_type = unigram;
    std::string_view bos_piece = "<s>", eos_piece = "</s>", pad_piece = "<pad>", charsmap;
    bool add_dummy_prefix = true, remove_extra_whitespaces = true, escape_whitespaces = true;
};

void read_piece(Reader reader, Vocabulary& vocabulary, std::string_view where) {
    std::string_view piece;
    float score = 0;
    uint64_t type = 1;
    for (Field field; reader.next(field);) {
        if (field.number == piece_field::piece) piece = field.bytes;
        if (field.number == piece_field::score) score = field.float32();
        if (field.number == piece_field::type) type = field.value;
    }
    if (type < 1 || type > 6) fail("{}: piece {} has type {}, expected 1 to 6", where, vocabulary.size(), type);
    vocabulary.tokens.emplace_back(piece);
    vocabulary.scores.push_back(score);
    vocabulary.types.push_back(static_cast<TokenType>(type));
}

void read_trainer_spec(Reader reader, Specs& specs) {
    for (Field field; reader.next(field);) {
        if (field.number == trainer_field::model_type) specs.model_type = field.value;
        if (field.number == trainer_field::bos_piece) specs.bos_piece = field.bytes;
        if (field.number == trainer_field::eos_piece) specs.eos_piece = field.bytes;
        if (field.number == trainer_field::pad_piece) specs.pad_piece = field.bytes;
    }
}

void read_normalizer_spec(Reader reader, Specs& specs) {
    for (Field field; reader.next(field);) {
        if (field.number == normalizer_field::precompiled_charsmap) specs.charsmap = field.bytes;
        if (field.number == normalizer_field::add_dummy_prefix) specs.add_dummy_prefix = field.flag();
        if (field.number == normalizer_field::remove_extra_whitespaces) {
            specs.remove_extra_whitespaces = field.flag();
        }
        if (field.number == normalizer_field::escape_whitespaces) specs.escape_whitespaces = field.flag();
    }
}

int32_t find_control(const Vocabulary& v, std::string_view token) {
    for (int32_t id = 0; id < v.size(); ++id) {
        if (v.types[id] == TokenType::control && v.tokens[id] == token) return id;
    }
    return -1;
}

std::string_view name_of(const Vocabulary& v, int32_t id, std::string_view if_none) {
    return id >= 0 ? std::string_view(v.tokens[id]) : if_none;
}

}  // namespace

Vocabulary read_sentencepiece_model(std::string_view bytes, std::string_view where) {
    Vocabulary v;
    Specs specs;
    Reader reader(bytes, bytes, where);
    for (Field field; reader.next(field);) {
        const Reader inner(field.bytes, bytes, where);
        if (field.number == model_field::pieces) read_piece(inner, v, where);
        if (field.number == model_field::trainer_spec) read_trainer_spec(inner, specs);
        if (field.number == model_field::normalizer_spec) read_normalizer_spec(inner, specs);
    }
    if (v.tokens.empty()) fail("{}: not a SentencePiece model: it holds no pieces", where);
    if (specs.model_type != bpe && specs.model_type != unigram) {
        fail("{}: SentencePiece model type {} is not supported; supported: 1 (unigram), 2 (BPE)", where,
             specs.model_type);
    }
    if (!specs.escape_whitespaces) {
        fail("{}: only SentencePiece models that escape spaces are supported", where);
    }
    v.model = specs.model_type == bpe ? "llama" : "t5";
    v.charsmap = specs.charsmap;
    v.bos = find_control(v, specs.bos_piece);
    v.eos = find_control(v, specs.eos_piece);
    v.pad = find_control(v, specs.pad_piece);
    const auto unknown = std::find(v.types.begin(), v.types.end(), TokenType::unknown);
    if (unknown != v.types.end()) v.unk = static_cast<int32_t>(unknown - v.types.begin());
    v.add_bos = specs.model_type == bpe && v.bos >= 0;
    v.add_eos = specs.model_type == unigram && v.eos >= 0;
    v.add_space_prefix = specs.add_dummy_prefix;
    v.remove_extra_whitespaces = specs.remove_extra_whitespaces;
    validate(v, where);
    return v;
}

std::string write_sentencepiece_model(const Vocabulary& v) {
    Writer model;
    for (int32_t id = 0; id < v.size(); ++id) {
        Writer piece;
        piece.bytes(piece_field::piece, v.tokens[id]);
        piece.float32(piece_field::score, v.scores[id]);
        if (v.types[id] != TokenType::normal) piece.number(piece_field::type, static_cast<uint64_t>(v.types[id]));
        model.message(model_field::pieces, piece);
    }
    const auto id = [](int32_t value) { return static_cast<uint64_t>(int64_t{value}); };  // int32: sign-extended
    Writer trainer;
    trainer.number(trainer_field::model_type, v.model == "t5" ? unigram : bpe);
    trainer.number(trainer_field::vocab_size, id(v.size()));
    trainer.number(trainer_field::byte_fallback, std::count(v.types.begin(), v.types.end(), TokenType::byte) > 0);
    trainer.number(trainer_field::unk_id, id(v.unk));
    trainer.number(trainer_field::bos_id, id(v.bos));
    trainer.number(trainer_field::eos_id, id(v.eos));
    trainer.number(trainer_field::pad_id, id(v.pad));
    trainer.bytes(trainer_field::unk_piece, name_of(v, v.unk, "<unk>"));
    trainer.bytes(trainer_field::bos_piece, name_of(v, v.bos, "<s>"));
    trainer.bytes(trainer_field::eos_piece, name_of(v, v.eos, "</s>"));
    trainer.bytes(trainer_field::pad_piece, name_of(v, v.pad, "<pad>"));
    model.message(model_field::trainer_spec, trainer);
    Writer normalizer;
    normalizer.bytes(normalizer_field::name, v.charsmap.empty() ? "identity" : "user_defined");
    if (!v.charsmap.empty()) normalizer.bytes(normalizer_field::precompiled_charsmap, v.charsmap);
    normalizer.number(normalizer_field::add_dummy_prefix, v.add_space_prefix);
    normalizer.number(normalizer_field::remove_extra_whitespaces, v.remove_extra_whitespaces);
    normalizer.number(normalizer_field::escape_whitespaces, true);
    model.message(model_field::normalizer_spec, normalizer);
    return model.str();
}

}  // namespace gremium
