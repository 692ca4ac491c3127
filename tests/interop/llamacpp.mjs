// node llamacpp.mjs GREMIUM MODEL.gguf...: log-probabilities and token ids of each file (f32) in llama.cpp
// and in Gremium. Finds node-llama-cpp from the current directory; ctest runs it through llamacpp.sh.
import {execFileSync} from "node:child_process";
import {createRequire} from "node:module";
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import {pathToFileURL} from "node:url";

// Natural-log probabilities: tiny models, and one of real size whose sums are longer. States of gated DeltaNets add up
// what every earlier token rounds: there the tolerance is that of the golden files of these families, 1e-3.
const limitOf = (file) => file.includes("default") ? 2e-3 : /qwen35|qwen3next/.test(file) ? 1e-3 : 1e-4;
const text = "Hello, wörld! The hat — 123 {x == 1}\n\tder Hut.";

const require = createRequire(path.join(process.cwd(), "from-here.js"));
const {getLlama, LlamaLogLevel} = await import(pathToFileURL(require.resolve("node-llama-cpp")).href);
const [gremium, ...files] = process.argv.slice(2);
const llama = await getLlama({gpu: false, build: "never", logLevel: LlamaLogLevel.error, maxThreads: 2});

async function theirs(modelPath, tokens) {
    const model = await llama.loadModel({modelPath});
    const context = await model.createContext({
        contextSize: 256, batchSize: 256, threads: 2, flashAttention: false,
        experimentalKvCacheKeyType: "F32", experimentalKvCacheValueType: "F32"});
    const ids = Array.from(model.tokenize(text, false));
    tokens ??= ids;
    const steps = await context.getSequence().controlledEvaluate(
        tokens.map((token) => [token, {generateNext: {probabilities: true}}]));
    const rows = steps.map((step) => {
        const row = [];
        for (const [token, p] of step.next.probabilities) row[token] = Math.log(p);
        return row;
    });
    await context.dispose();
    await model.dispose();
    return {ids, rows};
}

function ours(modelPath, tokens) {
    const out = path.join(os.tmpdir(), `gremium-interop-${process.pid}.json`);
    execFileSync(gremium, ["eval", "-q", "-m", modelPath, "--tokens", tokens.join(","), "--logprobs", out]);
    const rows = Object.values(JSON.parse(fs.readFileSync(out)).logprobs);
    fs.unlinkSync(out);
    return rows;
}

function tokenize(modelPath) {
    const out = execFileSync(gremium, ["tokenize", "-m", modelPath, "--json", "--no-bos", "--no-special", text]);
    return JSON.parse(out).ids;
}

// Tokens of the model's own vocabulary, the same in every run.
function randomTokens(vocabulary, count = 48, seed = 1) {
    const next = () => (seed = (seed * 1103515245 + 12345) % 2147483648) / 2147483648;
    return Array.from({length: count}, () => 3 + Math.floor(next() * (vocabulary - 3)));
}

let failures = 0;
for (const file of files) {
    const vocabulary = JSON.parse(execFileSync(gremium, ["inspect", "-m", file, "--json"])).vocab;
    const tokens = randomTokens(vocabulary);
    const {ids, rows} = await theirs(file, tokens);
    const own = ours(file, tokens);
    let worst = 0;
    rows.forEach((row, t) => row.forEach((logprob, token) => {
        worst = Math.max(worst, Math.abs(logprob - own[t][token]));
    }));
    const complete = rows.length === tokens.length &&
        rows.every((row) => row.filter(Number.isFinite).length === vocabulary);
    const sameIds = JSON.stringify(ids) === JSON.stringify(tokenize(file));
    const good = complete && sameIds && worst <= limitOf(file);
    if (!good) failures++;
    console.log(`${good ? "ok  " : "FAIL"} ${path.basename(file)}: largest difference ${worst.toExponential(2)}, ` +
        `${complete ? "all" : "NOT ALL"} log-probabilities, ${sameIds ? "same" : "OTHER"} token ids`);
}
process.exit(failures ? 1 : 0);
