#!/usr/bin/env python3
"""encoder_decoder.py DIRECTORY: writes tiny random Switch Transformers and NLLB-MoE models in Hugging Face layout, with
the log-probabilities that a float64 forward gives, written here from the published formulas (Raffel et al. 2020,
Fedus et al. 2021, NLLB Team 2022, Lepikhin et al. 2020). Shares no code with Gremium."""
import json
import math
import os
import random
import struct
import sys

D, HEADS, HEAD, HIDDEN, VOCAB, EXPERTS, LAYERS = 16, 2, 6, 20, 50, 4, 4


class Tensors:
    """Random weights, rounded to f32, by name."""

    def __init__(self, seed):
        self.random = random.Random(seed)
        self.values = {}

    def add(self, name, shape, scale=None, mean=0.0):
        count = math.prod(shape)
        scale = 1.5 / math.sqrt(shape[-1]) if scale is None else scale
        flat = [mean + scale * self.random.gauss(0, 1) for _ in range(count)]
        flat = list(struct.unpack(f'<{count}f', struct.pack(f'<{count}f', *flat)))
        self.values[name] = (shape, flat)
        return flat

    def linear(self, name, out, inputs, bias):
        self.add(name + '.weight', [out, inputs])
        if bias:
            self.add(name + '.bias', [out], 0.1)

    def norm(self, name, bias):
        self.add(name + '.weight', [D], 0.1, 1.0)
        if bias:
            self.add(name + '.bias', [D], 0.1)

    def vector(self, name):
        return self.values[name][1] if name in self.values else None

    def times(self, name, x):
        shape, w = self.values[name + '.weight']
        bias = self.vector(name + '.bias') or [0.0] * shape[0]
        return [sum(w[r * shape[1] + c] * x[c] for c in range(shape[1])) + bias[r] for r in range(shape[0])]

    def save(self, path):
        header, data = {}, b''
        for name, (shape, flat) in self.values.items():
            packed = struct.pack(f'<{len(flat)}f', *flat)
            header[name] = {'dtype': 'F32', 'shape': shape, 'data_offsets': [len(data), len(data) + len(packed)]}
            data += packed
        text = json.dumps(header).encode()
        text += b' ' * (-len(text) % 8)
        with open(path, 'wb') as f:
            f.write(struct.pack('<Q', len(text)) + text + data)


def add(a, b):
    return [x + y for x, y in zip(a, b)]


def softmax(x):
    top = max(x)
    e = [math.exp(v - top) for v in x]
    return [v / sum(e) for v in e]


def relu(x):
    return [max(0.0, v) for v in x]


def attention(t, p, out, queries, sources, scale, causal, bias=None):
    """Multi-head attention of each row of queries over the rows of sources."""
    q = [t.times(p + 'q' + out[1], x) for x in queries]
    k = [t.times(p + 'k' + out[1], x) for x in sources]
    v = [t.times(p + 'v' + out[1], x) for x in sources]
    result = []
    for i in range(len(queries)):
        row = []
        for h in range(HEADS):
            at = range(h * (len(q[i]) // HEADS), (h + 1) * (len(q[i]) // HEADS))
            seen = range(i + 1) if causal else range(len(sources))
            scores = [scale * sum(q[i][c] * k[j][c] for c in at) + (bias(j - i, h) if bias else 0) for j in seen]
            weights = softmax(scores)
            row += [sum(w * v[j][c] for w, j in zip(weights, seen)) for c in at]
        result.append(t.times(p + out[0], row))
    return result


class Switch:
    """T5 with one expert a token; capacity 2 so that some tokens are dropped."""
    capacity, buckets, farthest = 2, 8, 10

    def __init__(self, seed):
        self.t = t = Tensors(seed)
        t.add('shared.weight', [VOCAB, D], 1.0)
        for side in ('encoder', 'decoder'):
            t.norm(side + '.final_layer_norm', False)
            table = side + '.block.0.layer.0.SelfAttention.relative_attention_bias.weight'
            t.add(table, [self.buckets, HEADS], 1.0)
            for l in range(LAYERS):
                p = f'{side}.block.{l}.layer.'
                kinds = [('0', 'SelfAttention')] + ([('1', 'EncDecAttention')] if side == 'decoder' else [])
                for number, kind in kinds:
                    t.norm(p + number + '.layer_norm', False)
                    for m in 'qkv':
                        t.linear(f'{p}{number}.{kind}.{m}', HEADS * HEAD, D, False)
                    t.linear(f'{p}{number}.{kind}.o', D, HEADS * HEAD, False)
                p += str(len(kinds))
                t.norm(p + '.layer_norm', False)
                if l % 2 == 1:
                    t.linear(p + '.mlp.router.classifier', EXPERTS, D, False)
                for prefix in [f'experts.expert_{e}.' for e in range(EXPERTS)] if l % 2 == 1 else ['']:
                    t.linear(f'{p}.mlp.{prefix}wi', HIDDEN, D, False)
                    t.linear(f'{p}.mlp.{prefix}wo', D, HIDDEN, False)
        self.config = {
            'model_type': 'switch_transformers', 'architectures': ['SwitchTransformersForConditionalGeneration'],
            'd_model': D, 'd_kv': HEAD, 'd_ff': HIDDEN, 'num_heads': HEADS, 'num_layers': LAYERS,
            'num_decoder_layers': LAYERS, 'num_experts': EXPERTS, 'expert_capacity': self.capacity,
            'encoder_sparse_step': 2, 'decoder_sparse_step': 2, 'vocab_size': VOCAB, 'layer_norm_epsilon': 1e-6,
            'relative_attention_num_buckets': self.buckets, 'relative_attention_max_distance': self.farthest,
            'dense_act_fn': 'relu', 'tie_word_embeddings': True, 'decoder_start_token_id': 0, 'n_positions': 64}

    def norm(self, name, x):
        w, r = self.t.vector(name + '.weight'), 1 / math.sqrt(sum(v * v for v in x) / D + 1e-6)
        return [v * r * wi for v, wi in zip(x, w)]

    def bucket(self, distance, both_ways):
        n, base = self.buckets, 0
        if both_ways:
            n //= 2
            base = n if distance > 0 else 0
            distance = abs(distance)
        else:
            distance = max(0, -distance)
        if distance < n // 2:
            return base + distance
        wide = math.log(distance / (n // 2)) / math.log(self.farthest / (n // 2)) * (n - n // 2)
        return base + min(n - 1, n // 2 + int(wide + 1e-6))

    def feed_forward(self, p, rows):
        if p + '.mlp.router.classifier.weight' not in self.t.values:
            return [self.t.times(p + '.mlp.wo', relu(self.t.times(p + '.mlp.wi', x))) for x in rows]
        queue, result = [0] * EXPERTS, []
        for x in rows:
            shares = softmax(self.t.times(p + '.mlp.router.classifier', x))
            e = max(range(EXPERTS), key=lambda i: shares[i])
            queue[e] += 1
            if queue[e] > self.capacity:
                self.dropped = True
                result.append([0.0] * D)
                continue
            expert = f'{p}.mlp.experts.expert_{e}.'
            result.append([shares[e] * v for v in self.t.times(expert + 'wo', relu(self.t.times(expert + 'wi', x)))])
        return result

    def stack(self, side, tokens, source=None):
        both = side == 'encoder'
        emb, table = self.t.vector('shared.weight'), self.t.vector(
            side + '.block.0.layer.0.SelfAttention.relative_attention_bias.weight')
        rows = [emb[i * D:(i + 1) * D] for i in tokens]
        for l in range(LAYERS):
            p = f'{side}.block.{l}.layer.'
            normed = [self.norm(p + '0.layer_norm', x) for x in rows]
            mixed = attention(self.t, p + '0.SelfAttention.', ('o', ''), normed, normed, 1, not both,
                              lambda d, h: table[self.bucket(d, both) * HEADS + h])
            rows = [add(x, y) for x, y in zip(rows, mixed)]
            last = '1'
            if source is not None:
                normed = [self.norm(p + '1.layer_norm', x) for x in rows]
                seen = attention(self.t, p + '1.EncDecAttention.', ('o', ''), normed, source, 1, False)
                rows, last = [add(x, y) for x, y in zip(rows, seen)], '2'
            normed = [self.norm(p + last + '.layer_norm', x) for x in rows]
            rows = [add(x, y) for x, y in zip(rows, self.feed_forward(p + last, normed))]
        return [self.norm(side + '.final_layer_norm', x) for x in rows]

    def logprobs(self, source, tokens):
        self.dropped = False
        hidden = self.stack('decoder', tokens, self.stack('encoder', source))
        assert self.dropped, 'choose another seed'
        return [head(self.t.vector('shared.weight'), [v / math.sqrt(D) for v in x]) for x in hidden]


class Nllb:
    """Pre-norm transformer with LayerNorm and sinusoids; two experts a token in every second layer."""

    def __init__(self, seed):
        self.t = t = Tensors(seed)
        t.add('model.shared.weight', [VOCAB, D], 0.3)
        for side in ('encoder', 'decoder'):
            t.norm(f'model.{side}.layer_norm', True)
            for l in range(LAYERS):
                p = f'model.{side}.layers.{l}.'
                kinds = ['self_attn'] + (['cross_attention'] if side == 'decoder' else [])
                for kind in kinds:
                    t.norm(p + kind + '_layer_norm', True)
                    for m in ('q_proj', 'k_proj', 'v_proj', 'out_proj'):
                        t.linear(f'{p}{kind}.{m}', D, D, True)
                t.norm(p + 'ff_layer_norm', True)
                if l % 2 == 1:
                    t.linear(p + 'ffn.router.classifier', EXPERTS, D, False)
                for prefix in [f'experts.expert_{e}.' for e in range(EXPERTS)] if l % 2 == 1 else ['']:
                    t.linear(f'{p}ffn.{prefix}fc1', HIDDEN, D, True)
                    t.linear(f'{p}ffn.{prefix}fc2', D, HIDDEN, True)
        self.config = {
            'model_type': 'nllb-moe', 'architectures': ['NllbMoeForConditionalGeneration'], 'd_model': D,
            'encoder_layers': LAYERS, 'decoder_layers': LAYERS, 'encoder_attention_heads': HEADS,
            'decoder_attention_heads': HEADS, 'encoder_ffn_dim': HIDDEN, 'decoder_ffn_dim': HIDDEN,
            'num_experts': EXPERTS, 'encoder_sparse_step': 2, 'decoder_sparse_step': 2, 'expert_capacity': 64,
            'moe_token_dropout': 0.2, 'second_expert_policy': 'all', 'normalize_router_prob_before_dropping': False,
            'scale_embedding': True, 'max_position_embeddings': 64, 'vocab_size': VOCAB,
            'activation_function': 'relu', 'tie_word_embeddings': True, 'decoder_start_token_id': 2}

    def norm(self, name, x):
        mean = sum(x) / D
        r = 1 / math.sqrt(sum((v - mean) ** 2 for v in x) / D + 1e-5)
        w, b = self.t.vector(name + '.weight'), self.t.vector(name + '.bias')
        return [(v - mean) * r * wi + bi for v, wi, bi in zip(x, w, b)]

    def feed_forward(self, p, x):
        def expert(prefix):
            return self.t.times(p + prefix + 'fc2', relu(self.t.times(p + prefix + 'fc1', x)))
        if p + 'router.classifier.weight' not in self.t.values:
            return expert('')
        shares = softmax(self.t.times(p + 'router.classifier', x))
        best = sorted(range(EXPERTS), key=lambda e: -shares[e])[:2]
        total, result = sum(shares[e] for e in best), [0.0] * D
        for e in best:
            result = add(result, [0.8 * shares[e] / total * v for v in expert(f'experts.expert_{e}.')])
        return result

    def embed(self, token, position):
        emb, half = self.t.vector('model.shared.weight'), D // 2
        angles = [(position + 2) * math.exp(-j * math.log(10000) / (half - 1)) for j in range(half)]
        places = [math.sin(a) for a in angles] + [math.cos(a) for a in angles]
        return [math.sqrt(D) * e + s for e, s in zip(emb[token * D:(token + 1) * D], places)]

    def stack(self, side, tokens, source=None):
        rows = [self.embed(token, i) for i, token in enumerate(tokens)]
        scale, out = (D // HEADS) ** -0.5, ('out_proj', '_proj')
        for l in range(LAYERS):
            p = f'model.{side}.layers.{l}.'
            normed = [self.norm(p + 'self_attn_layer_norm', x) for x in rows]
            mixed = attention(self.t, p + 'self_attn.', out, normed, normed, scale, side == 'decoder')
            rows = [add(x, y) for x, y in zip(rows, mixed)]
            if source is not None:
                normed = [self.norm(p + 'cross_attention_layer_norm', x) for x in rows]
                seen = attention(self.t, p + 'cross_attention.', out, normed, source, scale, False)
                rows = [add(x, y) for x, y in zip(rows, seen)]
            rows = [add(x, self.feed_forward(p + 'ffn.', self.norm(p + 'ff_layer_norm', x))) for x in rows]
        return [self.norm(f'model.{side}.layer_norm', x) for x in rows]

    def logprobs(self, source, tokens):
        hidden = self.stack('decoder', tokens, self.stack('encoder', source))
        return [head(self.t.vector('model.shared.weight'), x) for x in hidden]


def head(emb, x):
    logits = [sum(emb[v * D + c] * x[c] for c in range(D)) for v in range(VOCAB)]
    top = max(logits)
    total = math.log(sum(math.exp(l - top) for l in logits)) + top
    return [l - total for l in logits]


def main(directory):
    for name, model in (('switch', Switch(1)), ('nllb', Nllb(2))):
        path = os.path.join(directory, name)
        os.makedirs(path, exist_ok=True)
        draw = random.Random(name)
        source = [draw.randrange(VOCAB) for _ in range(17)]
        tokens = [model.config['decoder_start_token_id']] + [draw.randrange(VOCAB) for _ in range(12)]
        golden = {'source': source, 'tokens': tokens, 'logprobs': model.logprobs(source, tokens)}
        model.t.save(os.path.join(path, 'model.safetensors'))
        with open(os.path.join(path, 'config.json'), 'w') as f:
            json.dump(model.config, f)
        with open(os.path.join(path, 'golden.json'), 'w') as f:
            json.dump(golden, f)


main(sys.argv[1])
