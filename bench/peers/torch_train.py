"""Training speed of PyTorch (eager) on the model that `gremium bench --train` measures: tokens/s of forward, backward and AdamW.

    /usr/bin/python3 torch_train.py [D,L,H,E,K,F,V,B,T] [STEPS]      (Debian: python3-torch, libopenblas0-pthread)

One line of JSON: {"f32": tokens/s, "bf16": tokens/s, "torch": version}.
"""
import json
import os
import statistics
import sys
import time

import torch
from torch import nn
from torch.nn import functional as F

shape = sys.argv[1] if len(sys.argv) > 1 else "256,6,8,8,2,512,4096,16,256"
steps = int(sys.argv[2]) if len(sys.argv) > 2 else 5
DIM, LAYERS, HEADS, EXPERTS, TOP, WIDE, VOCAB, BATCH, LENGTH = map(int, shape.split(","))
HEAD = DIM // HEADS


class Norm(nn.Module):
    def __init__(self):
        super().__init__()
        self.scale = nn.Parameter(torch.ones(DIM))

    def forward(self, x):
        return x * torch.rsqrt(x.float().square().mean(-1, keepdim=True) + 1e-5).to(x.dtype) * self.scale


class Attention(nn.Module):
    def __init__(self):
        super().__init__()
        self.qkv, self.out = nn.Linear(DIM, 3 * DIM, bias=False), nn.Linear(DIM, DIM, bias=False)
        angle = torch.arange(LENGTH)[:, None] * 10000.0 ** (-torch.arange(0, HEAD, 2) / HEAD)
        self.cos, self.sin = angle.cos(), angle.sin()
        self.future = torch.ones(LENGTH, LENGTH, dtype=torch.bool).triu(1)

    def turn(self, x):
        a, b = x.chunk(2, -1)
        cos, sin = self.cos.to(x.dtype), self.sin.to(x.dtype)
        return torch.cat((a * cos - b * sin, a * sin + b * cos), -1)

    def forward(self, x):
        q, k, v = self.qkv(x).view(BATCH, LENGTH, 3, HEADS, HEAD).permute(2, 0, 3, 1, 4)
        scores = (self.turn(q) @ self.turn(k).transpose(-1, -2)) * HEAD**-0.5
        mixed = scores.masked_fill(self.future, float("-inf")).softmax(-1) @ v
        return self.out(mixed.transpose(1, 2).reshape(BATCH, LENGTH, DIM))


class Mixture(nn.Module):
    def __init__(self):
        super().__init__()
        self.router = nn.Linear(DIM, EXPERTS, bias=False)

        def stack(rows, cols):
            return nn.ParameterList(nn.Parameter(torch.randn(rows, cols) * 0.02) for _ in range(EXPERTS))

        self.gate, self.up, self.down = stack(WIDE, DIM), stack(WIDE, DIM), stack(DIM, WIDE)

    def forward(self, x):
        x = x.view(-1, DIM)
        probabilities = self.router(x).float().softmax(-1)
        weights, chosen = probabilities.topk(TOP, -1)
        weights = (weights / weights.sum(-1, keepdim=True)).to(x.dtype)
        y = torch.zeros_like(x)
        for e in range(EXPERTS):
            token, slot = (chosen == e).nonzero(as_tuple=True)
            rows = x[token]
            rows = F.linear(F.silu(F.linear(rows, self.gate[e])) * F.linear(rows, self.up[e]), self.down[e])
            y = y.index_add(0, token, rows * weights[token, slot, None])
        load = torch.bincount(chosen.flatten(), minlength=EXPERTS) / chosen.numel()
        return y.view(BATCH, LENGTH, DIM), EXPERTS * (load * probabilities.mean(0)).sum()


class Model(nn.Module):
    def __init__(self):
        super().__init__()
        self.embed, self.head = nn.Embedding(VOCAB, DIM), nn.Linear(DIM, VOCAB, bias=False)
        self.blocks = nn.ModuleList(nn.ModuleList((Norm(), Attention(), Norm(), Mixture())) for _ in range(LAYERS))
        self.norm = Norm()

    def forward(self, ids):
        x, balance = self.embed(ids), 0.0
        for norm_a, attention, norm_m, mixture in self.blocks:
            x = x + attention(norm_a(x))
            y, term = mixture(norm_m(x))
            x, balance = x + y, balance + term
        return self.head(self.norm(x)), balance


def speed(dtype):
    torch.manual_seed(0)
    model = Model().to(dtype)
    optimiser = torch.optim.AdamW(model.parameters(), 3e-4)
    ids = torch.randint(0, VOCAB, (BATCH, LENGTH + 1))
    took = []
    for _ in range(steps):
        begin = time.perf_counter()
        logits, balance = model(ids[:, :-1])
        loss = F.cross_entropy(logits.float().view(-1, VOCAB), ids[:, 1:].reshape(-1)) + 0.01 * balance
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        took.append(time.perf_counter() - begin)
    return BATCH * LENGTH / statistics.median(took)


torch.set_num_threads(len(os.sched_getaffinity(0)))
print(json.dumps({"f32": speed(torch.float32), "bf16": speed(torch.bfloat16), "torch": torch.__version__}))
