// node llamacpp.mjs MODEL.gguf PROMPT PREDICT REPEATS THREADS: tokens/s of llama.cpp as JSON, medians over REPEATS.
// Finds node-llama-cpp from the current directory.
import {createRequire} from "node:module";
import path from "node:path";
import {pathToFileURL} from "node:url";

const require = createRequire(path.join(process.cwd(), "from-here.js"));
const {getLlama, LlamaLogLevel} = await import(pathToFileURL(require.resolve("node-llama-cpp")).href);
const [modelPath, ...numbers] = process.argv.slice(2);
const [prompt, predict, repeats, threads] = numbers.map(Number);

const llama = await getLlama({gpu: false, build: "never", logLevel: LlamaLogLevel.error, maxThreads: threads});
const model = await llama.loadModel({modelPath});
const context = await model.createContext({contextSize: prompt + predict + 16, batchSize: 512, threads});
const sequence = context.getSequence();
const tokens = Array.from({length: prompt}, (_, i) => 1000 + i * 7919 % 20000);

async function speed(count, work) {
    const begin = performance.now();
    await work();
    return count / (performance.now() - begin) * 1000;
}

async function decode() {
    let made = 0;
    for await (const _ of sequence.evaluate([1234], {temperature: 1})) if (++made >= predict) break;
}

const prefilled = [], decoded = [];
await sequence.evaluateWithoutGeneratingNewTokens(tokens.slice(0, 16));  // pages in
for (let r = 0; r < repeats; ++r) {
    await sequence.clearHistory();
    prefilled.push(await speed(prompt, () => sequence.evaluateWithoutGeneratingNewTokens(tokens)));
    if (predict) decoded.push(await speed(predict, decode));
}
const median = (values) => values.sort((a, b) => a - b)[values.length >> 1] ?? 0;
console.log(JSON.stringify({
    engine: "llama.cpp " + (llama.llamaCppRelease?.release ?? ""),
    pp: {n: prompt, tps: median(prefilled)},
    tg: {n: predict, tps: median(decoded)},
}));
process.exit(0);
