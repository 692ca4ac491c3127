#!/usr/bin/env python3
"""Writes fuzz/corpus: small valid inputs of every target, from which the fuzzer goes on. fuzz/seeds.py [DIRECTORY]"""
import json
import pathlib
import struct
import sys

here = pathlib.Path(__file__).resolve().parent
samples = here.parent / "tests/compatibility/1e0be70"
corpus = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else here / "corpus")


def put(target, name, *parts):
    """Parts are texts or bytes, with a zero byte between."""
    (corpus / target).mkdir(parents=True, exist_ok=True)
    (corpus / target / name).write_bytes(b"\0".join(p.encode() if isinstance(p, str) else p for p in parts))


# GGUF: values by type, tensors of f32.
GGUF_TYPES = {"u8": (0, "<B"), "i16": (3, "<h"), "u32": (4, "<I"), "i32": (5, "<i"), "f32": (6, "<f"), "bool": (7, "<?"), "u64": (10, "<Q"),
              "f64": (12, "<d")}


def gguf_text(text):
    return struct.pack("<Q", len(text.encode())) + text.encode()


def gguf_value(type_name, value):
    if type_name == "str":
        return 8, gguf_text(value)
    if type_name.endswith("[]"):
        inner = [gguf_value(type_name[:-2], v) for v in value]
        number = 8 if type_name == "str[]" else GGUF_TYPES[type_name[:-2]][0]
        return 9, struct.pack("<IQ", number, len(value)) + b"".join(data for _, data in inner)
    number, layout = GGUF_TYPES[type_name]
    return number, struct.pack(layout, value)


def gguf(keys, tensors=(), alignment=32, version=3):
    """`tensors`: (name, dimensions with the contiguous one first, number of the type, bytes)."""
    out = b"GGUF" + struct.pack("<IQQ", version, len(tensors), len(keys))
    for key, type_name, value in keys:
        number, data = gguf_value(type_name, value)
        out += gguf_text(key) + struct.pack("<I", number) + data
    offset, data = 0, b""
    for name, dimensions, number, content in tensors:
        out += gguf_text(name) + struct.pack(f"<I{len(dimensions)}QIQ", len(dimensions), *dimensions, number, offset)
        padded = content + b"\0" * (-len(content) % alignment)
        data, offset = data + padded, offset + len(padded)
    return out + (b"\0" * (-len(out) % alignment) + data if tensors else b"")


def floats(*values):
    return struct.pack(f"<{len(values)}f", *values)


put("gguf", "scalars", gguf([("general.alignment", "u32", 8), ("bool", "bool", True), ("u8", "u8", 1), ("i16", "i16", -1), ("f64", "f64", 0.5),
                             ("string", "str", "text")], [("f32", (2, 2), 0, floats(1, 2, 3, 4)), ("bf16", (3,), 30, b"123456")], alignment=8))
put("gguf", "arrays", gguf([("strings", "str[]", ["a", "bc"]), ("bools", "bool[]", [True, False]), ("i32", "i32[]", [1, -1])],
                           [("q8_0", (32, 2), 8, b"x" * 68), ("q4_0", (32, 1, 1), 2, b"y" * 18)]))
put("gguf", "vocabulary", gguf([("tokens", "str[]", ["x"])], version=2))

LLAMA = [("general.architecture", "str", "llama"), ("llama.context_length", "u32", 32), ("llama.embedding_length", "u32", 8),
         ("llama.block_count", "u32", 2), ("llama.feed_forward_length", "u32", 16), ("llama.attention.head_count", "u32", 2),
         ("llama.attention.head_count_kv", "u32", 1), ("llama.attention.layer_norm_rms_epsilon", "f32", 1e-6), ("llama.vocab_size", "u32", 6),
         ("llama.rope.dimension_count", "u32", 4), ("llama.rope.freq_base", "f32", 1e4), ("llama.expert_count", "u32", 4),
         ("llama.expert_used_count", "u32", 2)]


def of(architecture, *more):
    return [(k.replace("llama.", architecture + "."), t, architecture if k == "general.architecture" else v) for k, t, v in LLAMA] + \
        [(architecture + "." + k, t, v) for k, t, v in more]


TOKENIZER = "tokenizer.ggml."
SPM = [(TOKENIZER + "model", "str", "llama"), (TOKENIZER + "tokens", "str[]", ["<unk>", "<s>", "</s>", "▁", "a", "▁a", "<0x0A>"]),
       (TOKENIZER + "scores", "f32[]", [0, 0, 0, -1, -2, -3, 0]), (TOKENIZER + "token_type", "i32[]", [2, 3, 3, 1, 1, 1, 6]),
       (TOKENIZER + "bos_token_id", "u32", 1), (TOKENIZER + "add_bos_token", "bool", True)]
BPE = [(TOKENIZER + "model", "str", "gpt2"), (TOKENIZER + "pre", "str", "llama-bpe"),
       (TOKENIZER + "tokens", "str[]", ["a", "b", "Ġ", "ab", "Ġab", "<|end|>"]), (TOKENIZER + "token_type", "i32[]", [1, 1, 1, 1, 1, 3]),
       (TOKENIZER + "merges", "str[]", ["a b", "Ġ ab"]), (TOKENIZER + "eos_token_id", "u32", 5), ("tokenizer.chat_template", "str", "{{ x }}")]
T5 = [(TOKENIZER + "model", "str", "t5"), (TOKENIZER + "tokens", "str[]", ["<pad>", "</s>", "<unk>", "▁a", "b", "a"]),
      (TOKENIZER + "scores", "f32[]", [0, 0, 0, -1, -2, -2.5]), (TOKENIZER + "token_type", "i32[]", [3, 3, 2, 1, 1, 1])]
DEEPSEEK = [("leading_dense_block_count", "u32", 1), ("expert_feed_forward_length", "u32", 8), ("expert_shared_count", "u32", 1),
            ("expert_weights_scale", "f32", 1), ("attention.kv_lora_rank", "u32", 8), ("attention.q_lora_rank", "u32", 8),
            ("attention.key_length", "u32", 12), ("attention.value_length", "u32", 8), ("expert_gating_func", "u32", 2),
            ("expert_group_count", "u32", 2), ("expert_group_used_count", "u32", 1), ("rope.scaling.type", "str", "yarn"),
            ("rope.scaling.factor", "f32", 4), ("rope.scaling.original_context_length", "u32", 16)]
put("gguf_model", "mixtral", gguf(LLAMA + SPM))
put("gguf_model", "qwen3moe", gguf(of("qwen3moe", ("expert_feed_forward_length", "u32", 8)) + BPE))
put("gguf_model", "deepseek2", gguf(of("deepseek2", *DEEPSEEK) + T5))
put("gguf_model", "jamba", gguf([k for k in of("jamba", ("ssm.conv_kernel", "u32", 4), ("ssm.inner_size", "u32", 16), ("ssm.state_size", "u32", 4),
                                               ("ssm.time_step_rank", "u32", 2)) if k[0] != "jamba.attention.head_count_kv"] +
                                [("jamba.attention.head_count_kv", "i32[]", [0, 1])]))
put("gguf_model", "gpt-oss", gguf(of("gpt-oss", ("expert_feed_forward_length", "u32", 8), ("attention.sliding_window", "u32", 8))))
put("importance", "matrix", gguf([("general.type", "str", "imatrix"), ("imatrix.datasets", "str[]", ["text"])],
                                 [("blk.0.attn_q.weight.in_sum2", (8, 1), 0, floats(*range(8))), ("blk.0.attn_q.weight.counts", (1, 1), 0, floats(9)),
                                  ("blk.1.ffn_up_exps.weight.in_sum2", (8, 4), 0, floats(*range(32))),
                                  ("blk.1.ffn_up_exps.weight.counts", (1, 4), 0, floats(1, 0, 2, 3))]))


def safetensors(tensors, metadata=None):
    """`tensors`: (name, dtype, shape, bytes)."""
    header, data = {"__metadata__": metadata} if metadata else {}, b""
    for name, dtype, shape, content in tensors:
        header[name] = {"dtype": dtype, "shape": shape, "data_offsets": [len(data), len(data) + len(content)]}
        data += content
    text = json.dumps(header, separators=(",", ":")).encode()
    return struct.pack("<Q", len(text)) + text + data


TWO = [("a", "F32", [2, 2], floats(1, 2, 3, 4)), ("b", "BF16", [3], b"123456")]
put("safetensors", "two", safetensors(TWO, {"format": "pt"}))
put("safetensors", "odd", safetensors([("scalar", "F16", [], b"12"), ("empty", "I32", [0, 4], b""), ("other", "I64", [1, 1, 1, 1, 1], b"12345678")]))
put("safetensors", "blocks", safetensors([("q", "U8", [2, 34], b"x" * 68)], {"q.type": "q8_0"}))
put("shards", "two", json.dumps({"metadata": {"total_size": 22}, "weight_map": {"a": "a.safetensors", "b": "a.safetensors"}}), safetensors(TWO))
NUMBERS = bytes(range(64))
put("adapter", "own", safetensors([("blk.1.ffn_up_exps.weight.3.lora_a", "F32", [2, 8], NUMBERS), ("blk.1.ffn_up_exps.weight.3.lora_b", "F32", [12, 2], NUMBERS + NUMBERS[:32])],
                                  {"format": "gremium-adapter-1", "model": "tiny", "model_hash": "@" * 32, "scale": "0.5"}))
put("adapter", "peft", json.dumps({"peft_type": "LORA", "r": 2, "lora_alpha": 4, "target_modules": ["w1", "gate"], "rank_pattern": {"gate": 1}}),
    safetensors([(f"base_model.model.model.layers.1.block_sparse_moe.{module}.weight", "F32", shape, NUMBERS[:4 * shape[0] * shape[1]] * 4)
                 for module, shape in [("experts.3.w1.lora_A", [2, 8]), ("experts.3.w1.lora_B", [12, 2])]]))
put("delta", "expert", (samples / "expert.safetensors").read_bytes())


# config.json: what families share, and what is their own.
COMMON = {"vocab_size": 32, "hidden_size": 8, "intermediate_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "num_key_value_heads": 1,
          "head_dim": 4, "hidden_act": "silu", "max_position_embeddings": 32, "rms_norm_eps": 1e-6, "rope_theta": 1e4, "tie_word_embeddings": False}
EXPERTS = {"num_experts": 4, "num_experts_per_tok": 2, "moe_intermediate_size": 8, "norm_topk_prob": True}
LATENT = {"n_routed_experts": 4, "num_experts_per_tok": 2, "moe_intermediate_size": 8, "n_shared_experts": 1, "first_k_dense_replace": 1,
          "n_group": 2, "topk_group": 1, "routed_scaling_factor": 1.5, "scoring_func": "sigmoid", "norm_topk_prob": True, "topk_method": "noaux_tc"}
STATE = {"mamba_expand": 2, "mamba_d_state": 4, "mamba_d_conv": 4, "mamba_dt_rank": 2, "mamba_conv_bias": True, "mamba_proj_bias": False}
FAMILIES = {
    "llama": {"rope_scaling": {"rope_type": "llama3", "factor": 8, "low_freq_factor": 1, "high_freq_factor": 4, "original_max_position_embeddings": 16}},
    "mixtral": {"num_local_experts": 4, "num_experts_per_tok": 2, "sliding_window": 16},
    "qwen2": {"sliding_window": 16, "use_sliding_window": True, "max_window_layers": 1},
    "qwen3": {"rope_scaling": {"rope_type": "yarn", "factor": 4, "original_max_position_embeddings": 16}},
    "qwen2_moe": EXPERTS | {"shared_expert_intermediate_size": 8, "decoder_sparse_step": 2, "mlp_only_layers": [0]},
    "qwen3_moe": EXPERTS | {"decoder_sparse_step": 1},
    "olmoe": EXPERTS | {"clip_qkv": None},
    "dots1": LATENT,
    "granitemoe": {"num_local_experts": 4, "num_experts_per_tok": 2, "attention_multiplier": 0.5, "embedding_multiplier": 2, "logits_scaling": 3,
                   "residual_multiplier": 0.25},
    "phimoe": {"num_local_experts": 4, "num_experts_per_tok": 2, "router_jitter_noise": 0.01, "attention_bias": True, "lm_head_bias": True,
               "rope_scaling": {"type": "longrope", "short_factor": [1, 2], "long_factor": [2, 3], "short_mscale": 1, "long_mscale": 1,
                                "original_max_position_embeddings": 16}},
    "gpt_oss": {"num_local_experts": 4, "num_experts_per_tok": 2, "sliding_window": 8, "swiglu_limit": 7.0, "attention_bias": True,
                "layer_types": ["sliding_attention", "full_attention"]},
    "llama4_text": {"num_local_experts": 4, "num_experts_per_tok": 1, "intermediate_size_mlp": 16, "interleave_moe_layer_step": 2,
                    "attention_chunk_size": 8, "no_rope_layers": [1, 0], "use_qk_norm": True, "attn_temperature_tuning": 4, "floor_scale": 8, "attn_scale": 0.1},
    "deepseek_v3": LATENT | {"kv_lora_rank": 8, "q_lora_rank": 8, "qk_nope_head_dim": 4, "qk_rope_head_dim": 4, "v_head_dim": 4},
    "glm4_moe": LATENT | {"partial_rotary_factor": 0.5, "use_qk_norm": True, "attention_bias": True},
    "jamba": STATE | {"attn_layer_period": 2, "attn_layer_offset": 1, "expert_layer_period": 2, "expert_layer_offset": 1, "num_experts": 4,
                      "num_experts_per_tok": 2},
    "mamba": {"state_size": 4, "conv_kernel": 4, "expand": 2, "time_step_rank": "auto", "layer_norm_epsilon": 1e-5},
    "moe_mamba": EXPERTS | {"state_size": 4, "conv_kernel": 4, "expand": 2, "capacity_factor": 1.25, "second_expert_policy": "all"},
    "switch_transformers": {"d_model": 8, "d_ff": 16, "d_kv": 4, "num_heads": 2, "num_layers": 2, "num_decoder_layers": 2, "num_sparse_encoder_layers": 1,
                            "num_sparse_decoder_layers": 1, "num_experts": 4, "expert_capacity": 8, "decoder_start_token_id": 0, "is_encoder_decoder": True},
    "nllb-moe": {"d_model": 8, "encoder_layers": 2, "decoder_layers": 2, "encoder_ffn_dim": 16, "decoder_ffn_dim": 16, "encoder_attention_heads": 2,
                 "decoder_attention_heads": 2, "encoder_sparse_step": 2, "decoder_sparse_step": 2, "num_experts": 4, "expert_capacity": 8,
                 "decoder_start_token_id": 2, "activation_function": "relu", "scale_embedding": True, "second_expert_policy": "all"},
}
for family, own in FAMILIES.items():
    put("config", family, json.dumps({"model_type": family} | COMMON | own, separators=(",", ":")))

BYTE_LEVEL = {"added_tokens": [{"id": 5, "content": "<|end|>", "special": True, "lstrip": True, "rstrip": False}],
              "normalizer": {"type": "NFC"},
              "pre_tokenizer": {"type": "Sequence", "pretokenizers": [{"type": "Split", "pattern": {"Regex": "\\s+|\\p{L}+"}, "behavior": "Isolated"},
                                                                      {"type": "Digits", "individual_digits": True},
                                                                      {"type": "ByteLevel", "add_prefix_space": False, "use_regex": False}]},
              "post_processor": {"type": "TemplateProcessing", "single": [{"SpecialToken": {"id": "<|end|>"}}, {"Sequence": {"id": "A"}}],
                                 "special_tokens": {"<|end|>": {"ids": [5]}}},
              "model": {"type": "BPE", "vocab": {"a": 0, "b": 1, "Ġ": 2, "ab": 3, "Ġab": 4}, "merges": ["a b", "Ġ ab"], "ignore_merges": False}}
SPACED = {"normalizer": {"type": "Sequence", "normalizers": [{"type": "Prepend", "prepend": "▁"},
                                                             {"type": "Replace", "pattern": {"String": " "}, "content": "▁"}]},
          "model": {"type": "BPE", "vocab": {"<unk>": 0, "▁": 1, "a": 2, "▁a": 3, "<0x0A>": 4}, "merges": [["▁", "a"]], "byte_fallback": True,
                    "unk_token": "<unk>"}}
UNIGRAM = {"pre_tokenizer": {"type": "Metaspace", "replacement": "▁", "prepend_scheme": "always"},
           "normalizer": {"type": "Precompiled", "precompiled_charsmap": "AAAAAA=="},
           "model": {"type": "Unigram", "unk_id": 0, "vocab": [["<unk>", 0], ["▁a", -1.5], ["b", -2], ["a", -3]]}}
CONFIG = {"bos_token": "<unk>", "eos_token": {"content": "a"}, "add_bos_token": True, "added_tokens_decoder": {"9": {"content": "<x>", "special": True}},
          "chat_template": [{"name": "default", "template": "{{ x }}"}]}
compact = {"separators": (",", ":"), "ensure_ascii": False}
put("tokenizer_json", "byte_level", json.dumps(BYTE_LEVEL, **compact))
put("tokenizer_json", "spaced", json.dumps(SPACED, **compact), json.dumps(CONFIG, **compact))
put("tokenizer_json", "unigram", json.dumps(UNIGRAM, **compact), json.dumps({"unk_token": None, "add_prefix_space": False}))


def field(number, content):  # of a protobuf message
    def varint(n):
        out = b""
        while n > 127:
            out, n = out + bytes([n & 127 | 128]), n >> 7
        return out + bytes([n])
    if isinstance(content, float):
        return varint(number << 3 | 5) + struct.pack("<f", content)
    if isinstance(content, int):
        return varint(number << 3) + varint(content)
    data = content.encode() if isinstance(content, str) else content
    return varint(number << 3 | 2) + varint(len(data)) + data


def sentencepiece(model_type, pieces, charsmap=b"", **flags):
    out = b"".join(field(1, field(1, text) + field(2, float(score)) + (field(3, kind) if kind != 1 else b"")) for text, score, kind in pieces)
    out += field(2, field(3, model_type))
    return out + field(3, (field(2, charsmap) if charsmap else b"") + field(3, flags.get("prefix", 1)) + field(4, flags.get("extra", 1)) + field(5, 1))


SPECIALS = [("<unk>", 0, 2), ("<s>", 0, 3), ("</s>", 0, 3)]
put("sentencepiece", "bpe", sentencepiece(2, [*SPECIALS, ("▁", -3, 1), ("a", -4, 1), ("▁a", -1, 1), ("<0x0A>", 0, 6), ("user", 0, 4)], prefix=0, extra=0))
# The map of normalisation: bytes of a trie of 4-byte units, the trie, texts with a zero byte after each.
put("sentencepiece", "unigram", sentencepiece(1, [*SPECIALS, ("▁a", -1, 1), ("b", -2, 1), ("a", -3, 1)], struct.pack("<III", 8, 0, 0x80000000) + b"x\0"))

TEMPLATES = {
    "chatml": "{% for m in messages %}{{ '<|im_start|>' + m['role'] + '\\n' + m['content'] + '<|im_end|>' }}{% endfor %}"
              "{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}",
    "llama": "{%- if messages[0].role == 'system' -%}{% set system = messages[0]['content'] | trim %}{% set loop_messages = messages[1:] %}"
             "{%- else %}{% set loop_messages = messages %}{% endif %}{{ bos_token }}{% for message in loop_messages %}"
             "{% if (message.role == 'user') != (loop.index0 % 2 == 0) %}{{ raise_exception('alternate') }}{% endif %}"
             "{{ message.content | trim ~ eos_token }}{% endfor %}",
    "tools": "{% macro call(c, sep=', ') %}{{ c.function.name }}({{ c.function.arguments | tojson(indent=2) }}){{ sep }}{% endmacro %}"
             "{% set ns = namespace(last=-1) %}{% for m in messages %}{% if m.tool_calls is defined and m.tool_calls %}{% set ns.last = loop.index0 %}"
             "{% for c in m.tool_calls %}{{ call(c, sep='') }}{% endfor %}{% endif %}{% endfor %}{{ ns.last }}"
             "{% for t in tools or [] %}{{ t.function | tojson }}{% for k, v in t.function.parameters.properties | dictsort %}{{ k }}:{{ v.type }}{% endfor %}{% endfor %}",
    "filters": "{{ messages | map(attribute='role') | join('-') | upper }}{{ messages | selectattr('role', 'equalto', 'user') | list | length }}"
               "{{ 'a,b'.split(',')[::-1] }}{{ range(3) | sum }}{{ '%s' | format(1) }}{{ 1.5 | round | int }}{{ 'x' if 1 is odd else 'y' }}"
               "{{ {'a': [1, none]}.items() | list }}{% raw %}{{ }}{% endraw %}{# c #}",
}
for name, template in TEMPLATES.items():
    put("chat_template", name, template)


TEXT = "Grüße, 世界 😀\nand more\n"
for name, content in {"utf8": TEXT.encode(), "mark": ("\ufeff" + TEXT).encode(), "utf16": TEXT.encode("utf-16"), "utf32": TEXT.encode("utf-32"),
                      "utf16be": b"\xfe\xff" + TEXT.encode("utf-16-be"), "plain16": "plain text\n".encode("utf-16-le"),
                      "crlf": b"a\r\nb\r\n", "latin1": "caf\xe9 \x93quoted\x94\n".encode("latin-1"), "gzip": b"\x1f\x8b\x08\0\xff"}.items():
    put("text_file", name, content)


def trace(header, blocks, tokens):
    text = json.dumps(header, separators=(",", ":")).encode()
    out = b"GREMTRC1" + struct.pack("<Q", len(text)) + text
    for count, body in blocks:
        out += struct.pack("<IQ", count, len(body)) + body
    return out + struct.pack("<IQ", 0, tokens)


BLOCK = struct.pack("<4i", 1, 2, 0, 1) + struct.pack("<I4H", 2, 0, 1, 1, 65535) + floats(.5, .5, 1, 0, .25, float("inf"))
HEADER = {"domain": "d", "model": "m", "hash": "h", "vocab": 9, "norms": False, "layers": [{"layer": 0, "experts": 2}]}
put("trace", "plain", trace(HEADER, [(2, BLOCK), (2, BLOCK)], 4))
put("trace", "norms", trace(HEADER | {"norms": True}, [(2, BLOCK + floats(1, 2, 3, 4))], 2))

store = samples / "store"
versions = [p.read_text() for p in sorted((store / "versions").iterdir())]
for number, text in enumerate(versions):
    put("manifest", f"version{number}", (store / "base").read_text(), text)
put("steering", "profile", (samples / "profile.toml").read_text())
put("steering", "flags", 'mute = ["0.1"]\n', "1.0=+0.5,1.1=-2", "0.2", "80%,1=2")
put("recipe", "sample", (samples / "recipe.toml").read_text(), "train.steps=8")
put("recipe", "state", '[model]\narchitecture = "jamba"\ndim = 8\nlayers = 4\nheads = 2\nkv_heads = 1\nattention_period = 2\nattention_offset = 1\n'
    'ssm_norms = true\nexperts = 4\ntop_k = 2\nexpert_hidden = 8\nexpert_period = 2\ndense_hidden = 16\nrope = false\n[tokenizer]\npath = "x"\n'
    '[[data]]\nname = "a"\ntokens = "a.tokens"\nheldout_tokens = "b.tokens"\n[train]\ntokens = 4096\nschedule = "wsd"\nsequence = 16\nbatch_tokens = 64\n'
    'recompute = "always"\n[output]\ndir = "run"\n', 'data.a.weight=2')
put("edits", "two", (samples / "edits.toml").read_text(), "retype type=q8_0 expert=0.1 layer=1")
audit = (samples / "audit.jsonl").read_text().splitlines()
put("audit", "setup", audit[0], audit[0].replace("reference", "avx2"))
put("audit", "lines", audit[1], audit[2])
put("token_file", "narrow", struct.pack("<4H", 1, 2, 3, 299) + struct.pack("<5Q", 2, 300, 4, 9, 1) + b"GREMTOK1")
put("token_file", "wide", struct.pack("<2I", 1, 299) + struct.pack("<5Q", 4, 300, 2, 5, 1) + b"GREMTOK1")
put("decisions", "two", '{"position":0,"token":5,"piece":"a","layer":1,"experts":[3,0],"weights":[0.75,0.25],"margin":0.5}\n'
    '{"position":1,"token":6,"layer":1,"experts":[2],"weights":[1.0],"norms":[2.5]}\n')
