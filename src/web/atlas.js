'use strict';
const atlas = JSON.parse(document.getElementById('data').textContent);
const models = atlas.models;
if (models.length > 1 && models[0].name === models[1].name) models.forEach((model, m) => { model.name += ' ' + 'AB'[m]; });
const $ = (id) => document.getElementById(id);

// Small helpers -------------------------------------------------------------------------------------------------------

function element(name, attributes = {}, ...children) {
  const node = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (key === 'class') node.className = value;
    else if (key in node) node[key] = value;
    else node.setAttribute(key, value);
  }
  node.append(...children.filter((child) => child !== null));
  return node;
}
const percent = (x) => (100 * x).toFixed(x < 0.0995 ? 1 : 0) + ' %';
const signed = (x) => (x < 0 ? '−' : '+') + (100 * Math.abs(x)).toFixed(1) + ' points';
const count = (n) => n.toLocaleString('en');

function colours(name) {
  const text = getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  return text.split(/\s+/).map((hex) => [1, 3, 5].map((at) => parseInt(hex.slice(at, at + 2), 16)));
}
function mix(stops, x) {
  const at = Math.min(Math.max(x, 0), 1) * (stops.length - 1), i = Math.min(Math.floor(at), stops.length - 2);
  return 'rgb(' + stops[i].map((c, n) => Math.round(c + (stops[i + 1][n] - c) * (at - i))).join() + ')';
}

// What the numbers are ------------------------------------------------------------------------------------------------

// Share of a domain's tokens that chose an expert.
const share = (model, domain, layer, expert) =>
  model.layers[layer].domains[domain].chosen[expert] / model.domains[domain].tokens;
const chosen = (layer, expert) => layer.domains.reduce((sum, domain) => sum + domain.chosen[expert], 0);
function togetherness(layer) {  // [e][f]: share of the tokens of e that chose f
  const counts = Array.from({length: layer.experts}, () => new Array(layer.experts).fill(0));
  for (const [e, f, n] of layer.pairs) counts[e][f] = counts[f][e] = n;
  return counts.map((row, e) => row.map((n) => n / Math.max(1, chosen(layer, e))));
}
const together = models.map((model) => model.layers.map(togetherness));
const chance = (model) => {
  const layer = model.layers[0];
  const choices = layer.domains.reduce((sum, d) => sum + d.chosen.reduce((a, b) => a + b, 0), 0);
  return choices / model.domains.reduce((sum, d) => sum + d.tokens, 0) / layer.experts;
};
const domainNames = [...new Set(models.flatMap((model) => model.domains.map((d) => d.name)))];
const indexOf = (model, name) => model.domains.findIndex((d) => d.name === name);

// Heat maps -----------------------------------------------------------------------------------------------------------

const state = {model: 0, row: 0, expert: 0};
const maps = [];  // everything to draw again when colours, sizes or the choice change

class HeatMap {
  // rows, columns; value(row, column); colour: of a value in [0, 1]; chosen(): [row, column] or null; pick(row, column)
  constructor(options) {
    Object.assign(this, options);
    this.canvas = element('canvas', {tabIndex: 0, role: 'img', ariaLabel: this.label});
    this.at = null;
    const move = (event) => this.hover(event);
    this.canvas.addEventListener('pointermove', move);
    this.canvas.addEventListener('pointerleave', () => this.leave());
    this.canvas.addEventListener('click', (event) => this.pick(...this.cell(event)));
    this.canvas.addEventListener('keydown', (event) => this.key(event));
    this.canvas.addEventListener('blur', () => this.leave());
    maps.push(this);
  }
  // Room for the rows' numbers at the left.
  get margin() { return 18; }
  cell(event) {
    const box = this.canvas.getBoundingClientRect();
    const column = Math.floor((event.clientX - box.left - this.margin) / (box.width - this.margin) * this.columns);
    const row = Math.floor((event.clientY - box.top) / box.height * this.rows);
    return [Math.min(Math.max(row, 0), this.rows - 1), Math.min(Math.max(column, 0), this.columns - 1)];
  }
  hover(event) {
    this.at = this.cell(event);
    tell(this.text(...this.at), event.clientX, event.clientY);
  }
  leave() {
    this.at = null;
    $('tip').hidden = true;
  }
  key(event) {
    const step = {ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1]}[event.key];
    if (event.key === 'Enter' || event.key === ' ') {
      if (this.at) this.pick(...this.at);
      event.preventDefault();
    }
    if (!step) return;
    event.preventDefault();
    const [row, column] = this.at || this.chosen() || [0, 0];
    this.at = [Math.min(Math.max(row + step[0], 0), this.rows - 1), Math.min(Math.max(column + step[1], 0), this.columns - 1)];
    const box = this.canvas.getBoundingClientRect();
    tell(this.text(...this.at), box.left + this.margin + (this.at[1] + .5) / this.columns * (box.width - this.margin),
         box.top + (this.at[0] + .5) / this.rows * box.height);
  }
  draw() {
    const width = this.canvas.clientWidth, inner = width - this.margin;
    if (width === 0) return;
    const side = inner / this.columns;
    const tall = this.square ? side : Math.min(Math.max(side, 12), Math.max(18, 150 / this.rows));
    const height = Math.round(tall * this.rows), dots = window.devicePixelRatio || 1;
    this.canvas.style.height = height + 'px';
    this.canvas.width = Math.round(width * dots);
    this.canvas.height = Math.round(height * dots);
    const context = this.canvas.getContext('2d');
    context.scale(dots, dots);
    const style = getComputedStyle(document.documentElement);
    const gap = side > 7 ? 1 : 0, stops = colours(this.ramp);
    context.font = '10px system-ui, sans-serif';
    context.textBaseline = 'middle';
    const every = Math.ceil(12 / tall);
    for (let row = 0; row < this.rows; ++row) {
      context.fillStyle = style.getPropertyValue('--soft');
      if (row % every === 0) context.fillText(this.rowName(row), 0, (row + .5) * tall);
      for (let column = 0; column < this.columns; ++column) {
        const value = this.value(row, column);
        if (value === null) continue;
        context.fillStyle = mix(stops, value);
        context.fillRect(this.margin + column * side, row * tall, side - gap, tall - gap);
      }
    }
    const chosen = this.chosen();
    if (!chosen) return;
    for (const [name, width] of [['--halo', 4], ['--cursor', 2]]) {
      context.strokeStyle = style.getPropertyValue(name);
      context.lineWidth = width;
      context.strokeRect(this.margin + chosen[1] * side + .5, chosen[0] * tall + .5, Math.max(side - gap - 1, 3), Math.max(tall - gap - 1, 3));
    }
  }
}

function tell(text, x, y) {
  const tip = $('tip');
  tip.hidden = false;
  tip.textContent = text;
  const box = tip.getBoundingClientRect();
  tip.style.left = Math.max(6, Math.min(x + 14, innerWidth - box.width - 6)) + 'px';
  tip.style.top = (y + 18 + box.height > innerHeight ? y - box.height - 12 : y + 18) + 'px';
}

function card(title, small, map, last) {
  const box = element('div', {class: 'card'}, element('h3', {}, title, small ? element('small', {}, small) : ''));
  if (!map) box.append(element('p', {class: 'soft'}, 'No trace of this domain.'));
  else box.append(map.canvas, element('div', {class: 'axis'}, element('span', {}, '0'), element('span', {}, last), element('span', {}, String(map.columns - 1))));
  return box;
}

// Colours follow the square root of a share: rare choices stay apart.
const shade = (x, most) => Math.sqrt(x / (most || 1));

function key(id, ramp, labels, mark) {
  const bar = element('i'), scale = element('span', {class: 'scale'}, bar, element('span', {}, ...labels.map((label) => element('span', {}, label))));
  bar.style.background = `linear-gradient(90deg, ${ramp.map((c) => `rgb(${c})`).join()})`;
  if (mark !== undefined) {
    const line = element('b');
    line.style.left = 100 * mark + '%';
    bar.append(line);
  }
  $(id).replaceChildren(scale, mark !== undefined ? element('span', {}, 'The mark is chance.') : '');
}
const shareLabels = (most) => ['0', percent(most / 4), percent(most)];

const widest = (model) => Math.max(...model.layers.map((layer) => layer.experts));
const columnsOf = (model, m, extra) => ({
  rows: model.layers.length, columns: widest(model), rowName: (row) => model.layers[row].layer,
  chosen: () => (state.model === m ? [state.row, state.expert] : null),
  pick: (row, expert) => choose(m, row, Math.min(expert, model.layers[row].experts - 1)), ...extra});

// The sections --------------------------------------------------------------------------------------------------------

// Two models stand side by side: a row a domain, a column a model.
function showLoad() {
  let most = 0;
  for (const model of models)
    model.domains.forEach((_, d) => model.layers.forEach((layer, row) => {
      for (let e = 0; e < layer.experts; ++e) most = Math.max(most, share(model, d, row, e));
    }));
  for (const name of domainNames) {
    models.forEach((model, m) => {
      const d = indexOf(model, name);
      const map = d < 0 ? null : new HeatMap(columnsOf(model, m, {
        ramp: '--ramp', label: `Share of ${name} tokens by layer and expert, ${model.name}`,
        value: (row, e) => (e < model.layers[row].experts ? shade(share(model, d, row, e), most) : null),
        text: (row, e) => `layer ${model.layers[row].layer}, expert ${e}: ${percent(share(model, d, row, e))} of ${name}`}));
      $('load').append(card(name, models.length > 1 ? model.name : d < 0 ? '' : count(model.domains[d].tokens) + ' tokens', map, 'expert'));
    });
  }
  keys.push(() => key('load-key', colours('--ramp'), shareLabels(most), models.length === 1 ? shade(chance(models[0]), most) : undefined));
}

function showDifference() {
  const a = $('domain-a').value, b = $('domain-b').value;
  for (const map of maps.filter((map) => map.of === 'difference')) maps.splice(maps.indexOf(map), 1);
  const cards = [];
  let most = 0;
  const differences = models.map((model) => {
    const [i, j] = [indexOf(model, a), indexOf(model, b)];
    if (i < 0 || j < 0) return null;
    return model.layers.map((layer, row) => Array.from({length: layer.experts}, (_, e) => {
      const difference = share(model, i, row, e) - share(model, j, row, e);
      most = Math.max(most, Math.abs(difference));
      return difference;
    }));
  });
  models.forEach((model, m) => {
    const values = differences[m];
    const map = values && new HeatMap(columnsOf(model, m, {
      of: 'difference', ramp: '--poles', label: `Difference of the shares of ${a} and ${b}, ${model.name}`,
      value: (row, e) => (e < values[row].length ? (values[row][e] / (most || 1) + 1) / 2 : null),
      text: (row, e) => `layer ${model.layers[row].layer}, expert ${e}: ${signed(values[row][e] || 0)} more of ${a} than of ${b}`}));
    cards.push(card(`${a} − ${b}`, models.length > 1 ? model.name : '', map, 'expert'));
  });
  $('difference').replaceChildren(...cards);
  $('difference').style.gridTemplateColumns = models.length === 1 ? 'minmax(0, 1fr)' : '';
  keys.difference = () => key('difference-key', colours('--poles'), [`${b} +${(100 * most).toFixed(0)}`, 'points', `${a} +${(100 * most).toFixed(0)}`]);
  keys.difference();
  drawAll();
}

function showPairs() {
  for (const map of maps.filter((map) => map.of === 'pairs')) maps.splice(maps.indexOf(map), 1);
  const number = Number($('layer').value);
  let most = 0;
  const cards = models.map((model, m) => {
    const row = model.layers.findIndex((layer) => layer.layer === number);
    if (row < 0) return card(`layer ${number}`, model.name, null);
    const values = together[m][row], layer = model.layers[row];
    for (const line of values) most = Math.max(most, ...line);
    const map = new HeatMap({
      of: 'pairs', ramp: '--ramp', square: true, label: `Co-activation of the experts of layer ${number}, ${model.name}`,
      rows: layer.experts, columns: layer.experts, rowName: String,
      value: (e, f) => (e === f ? null : shade(values[e][f], most)),
      text: (e, f) => (e === f ? `expert ${e}` : `of the tokens of expert ${e}, ${percent(values[e][f])} also chose ${f}`),
      chosen: () => (state.model === m && state.row === row ? [state.expert, state.expert] : null),
      pick: (e) => choose(m, row, e)});
    return card(`layer ${number}`, models.length > 1 ? model.name : `${layer.experts} experts`, map, 'expert');
  });
  $('pairs').replaceChildren(...cards, ...models.map((model, m) => closest(model, m, number)));
  keys.pairs = () => key('pairs-key', colours('--ramp'), shareLabels(most));
  keys.pairs();
  drawAll();
}

// The pairs with the largest shares; experts that hardly anyone chose aside.
function closest(model, m, number) {
  const row = model.layers.findIndex((layer) => layer.layer === number), box = element('div', {class: 'card'});
  if (row < 0) return box;
  const layer = model.layers[row], values = together[m][row], all = layer.domains.flatMap((d) => d.chosen).reduce((a, b) => a + b, 0);
  const pairs = values.flatMap((line, e) => (chosen(layer, e) < all / layer.experts / 10 ? [] : line.map((x, f) => [e, f, x])));
  const best = pairs.filter(([e, f]) => e !== f).sort((a, b) => b[2] - a[2]).slice(0, 14);
  box.append(element('h3', {}, 'Closest pairs', models.length > 1 ? element('small', {}, model.name) : ''),
    bars(best.map(([e, f, x]) => [element('button', {class: 'link', type: 'button', onclick: () => choose(m, row, e)}, `${number}.${e} → ${f}`), x, percent(x)])));
  return box;
}

function showLayers() {
  const evenness = (numbers) => {
    const sum = numbers.reduce((a, b) => a + b, 0);
    return -numbers.reduce((h, n) => h + (n > 0 ? n / sum * Math.log(n / sum) : 0), 0) / Math.log(numbers.length);
  };
  for (const model of models) {
    const head = element('tr', {}, ...['layer', ...model.domains.map((d) => d.name), 'vocabulary'].map((name) => element('th', {scope: 'col'}, name)));
    const rows = model.layers.map((layer) => element('tr', {}, element('td', {}, String(layer.layer)),
      ...layer.domains.map((domain) => element('td', {}, evenness(domain.chosen).toFixed(3))),
      element('td', {}, percent(layer.vocabulary))));
    $('layers').append(element('div', {class: 'card'}, element('h3', {}, 'Evenness by domain', models.length > 1 ? element('small', {}, model.name) : ''),
      element('div', {class: 'scroll'}, element('table', {}, element('thead', {}, head), element('tbody', {}, ...rows)))));
  }
  if (models.length === 1) $('layers').style.gridTemplateColumns = 'minmax(0, 1fr)';
}

// The chosen expert ---------------------------------------------------------------------------------------------------

function bars(lines) {  // [name, value, shown, mark]
  const most = Math.max(...lines.map((line) => Math.max(line[1], line[3] || 0)), 1e-9);
  const box = element('div', {class: 'bars'});
  for (const [name, value, shown, mark] of lines) {
    const bar = element('i'), track = element('span', {class: 'bar'}, bar);
    bar.style.width = 100 * value / most + '%';
    if (mark !== undefined) {
      const line = element('b');
      line.style.left = `calc(${100 * mark / most}% - 1px)`;
      track.append(line);
    }
    box.append(element('span', {}, name), track, element('span', {}, shown));
  }
  return box;
}

function showExpert() {
  const model = models[state.model], layer = model.layers[state.row], e = state.expert;
  const name = `${layer.layer}.${e}`;
  const domains = model.domains.map((domain, d) => {
    const x = share(model, d, state.row, e);
    return [domain.name, x, percent(x), chance(model)];
  });
  const partners = together[state.model][state.row][e].map((x, f) => [f, x]).filter(([f, x]) => f !== e && x > 0)
    .sort((a, b) => b[1] - a[1]).slice(0, 6);
  const weight = layer.domains.reduce((sum, d) => sum + d.weight[e] * d.chosen[e], 0) / Math.max(1, chosen(layer, e));
  const tokens = layer.typical[e].map((t) => element('li', {},
    element('div', {class: 'head'}, element('code', {}, visible(t.piece)), element('span', {class: 'soft'}, `${count(t.chose)} of ${count(t.seen)}`)),
    t.after === undefined ? null : element('p', {class: 'text'}, oneLine(t.before), element('mark', {}, oneLine(t.at)), oneLine(t.after)),
    t.after === undefined ? null : element('span', {class: 'soft'}, `${t.domain}, weight ${t.weight.toFixed(2)}`)));
  $('expert').replaceChildren(
    element('h2', {}, `Expert ${name}`, element('span', {class: 'soft'}, models.length > 1 ? model.name : `layer ${layer.layer}`)),
    element('p', {class: 'soft'}, `Chosen by ${count(chosen(layer, e))} tokens, with a weight of ${weight.toFixed(2)} on average. The mark is chance.`),
    bars(domains), element('h3', {}, 'Works with'),
    partners.length ? element('div', {class: 'partners'}, ...partners.map(([f, x]) =>
      element('button', {type: 'button', onclick: () => choose(state.model, state.row, f)}, `${layer.layer}.${f} · ${percent(x)}`))) : element('p', {class: 'soft'}, 'nobody'),
    element('h3', {}, 'Most typical tokens, in context'),
    tokens.length ? element('ol', {}, ...tokens) : element('p', {class: 'soft'}, 'No token was seen often enough.'));
}
const oneLine = (text) => text.replace(/\s*\n\s*/g, ' ↵ ');
const visible = (piece) => JSON.stringify(piece).slice(1, -1).replace(/ /g, '␣');

function choose(m, row, expert) {
  Object.assign(state, {model: m, row, expert});
  history.replaceState(null, '', `#${m}-${models[m].layers[row].layer}-${expert}`);
  const layer = String(models[m].layers[row].layer);
  if ($('layer').value !== layer) {
    $('layer').value = layer;
    showPairs();
  }
  showExpert();
  $('jump').textContent = `Expert ${layer}.${expert} ↓`;
  drawAll();
}

// Beginning -----------------------------------------------------------------------------------------------------------

const keys = [];
function drawAll() { for (const map of maps) map.draw(); }
function recolour() {
  for (const draw of [...keys, keys.difference, keys.pairs]) draw();
  drawAll();
}
function fill(select, values, chosenOne, change) {
  select.replaceChildren(...values.map((value) => element('option', {value: String(value)}, String(value))));
  select.value = String(chosenOne);
  select.addEventListener('change', change);
}
function fromAddress() {
  const [m, layer, expert] = location.hash.slice(1).split('-').map(Number);
  const row = models[m]?.layers.findIndex((l) => l.layer === layer) ?? -1;
  return row >= 0 && expert < models[m].layers[row].experts ? [m, row, expert] : null;
}
// The expert that tells two domains apart best.
function mostTelling(model) {
  let best = [0, 0, 0], apart = -1;
  model.layers.forEach((layer, row) => {
    for (let e = 0; e < layer.experts; ++e) {
      const shares = model.domains.map((_, d) => share(model, d, row, e)), spread = Math.max(...shares) - Math.min(...shares);
      if (spread > apart) [apart, best] = [spread, [0, row, e]];
    }
  });
  return best;
}

for (const model of models) {
  $('models').append(element('div', {class: 'soft'}, element('b', {}, model.name), ` · ${model.architecture} · ${model.layers.length} layers with experts · ` +
    `${count(model.domains.reduce((sum, d) => sum + d.tokens, 0))} tokens · `, element('code', {}, model.hash.slice(0, 12))));
}
$('models').className = 'models';
document.title = 'Atlas of experts: ' + models.map((model) => model.name).join(', ');
showLoad();
fill($('domain-a'), domainNames, domainNames[0], showDifference);
fill($('domain-b'), domainNames, domainNames[Math.min(1, domainNames.length - 1)], showDifference);
const layerNumbers = [...new Set(models.flatMap((model) => model.layers.map((layer) => layer.layer)))].sort((a, b) => a - b);
fill($('layer'), layerNumbers, layerNumbers[0], showPairs);
showDifference();
showPairs();
showLayers();
choose(...(fromAddress() || mostTelling(models[0])));
recolour();
new ResizeObserver(drawAll).observe($('maps'));
$('jump').addEventListener('click', () => $('expert').scrollIntoView({behavior: 'smooth'}));
new IntersectionObserver(([panel]) => { $('jump').hidden = panel.isIntersecting; }).observe($('expert'));
matchMedia('(prefers-color-scheme: dark)').addEventListener('change', recolour);
window.addEventListener('hashchange', () => { const place = fromAddress(); if (place) choose(...place); });
document.body.dataset.ready = 'yes';
