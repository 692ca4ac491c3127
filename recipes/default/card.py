#!/usr/bin/env python3
"""The figures of a run for its model card, in Markdown: card.py RUN/metrics.jsonl

The curve (training loss and each domain's bits per byte on held-out text) and, for each layer, how evenly
the experts were used in the last window of steps."""
import json
import sys


def table(head, rows):
    print('| ' + ' | '.join(head) + ' |')
    print('|' + '---|' * len(head))
    for row in rows:
        print('| ' + ' | '.join(row) + ' |')
    print()


def main():
    rows = [json.loads(line) for line in open(sys.argv[1])]
    steps = {r['step']: r for r in rows if r['kind'] == 'train'}
    evaluations = [r for r in rows if r['kind'] == 'evaluation']
    domains = list(evaluations[-1]['domains'])
    last = max(steps)
    print(f"{steps[last]['tokens']:,} tokens in {steps[last]['seconds'] / 60:.0f} minutes, step {last}\n")
    table(['step', 'tokens', 'loss'] + domains,
          [[str(e['step']), f"{steps[e['step']]['tokens'] / 1e6:.1f} M", f"{steps[e['step']]['loss']:.3f}"]
           + [f"{e['domains'][d]['bits_per_byte']:.3f}" for d in domains]
           for e in evaluations if e['step'] in steps])
    experts = [r for r in rows if r['kind'] == 'experts'][-1]
    shares = [(r['layer'], [n / sum(r['load']) for n in r['load']]) for r in experts['layers']]
    table(['layer', 'least used expert', 'most used expert', 'MaxVio', 'dead'],
          [[str(layer), f'{100 * min(s):.2f} %', f'{100 * max(s):.2f} %', f'{max(s) * len(s) - 1:.2f}',
            str(sum(x == 0 for x in s))] for layer, s in shares])


if __name__ == '__main__':
    main()
