// Peak of the wasm heap and of the process in a frozen decoder's forward pass at Qwen2.5-0.5B's sizes (V 151,936, 1×256) with weights in
// float32 or in 16 bits, and in the KL of all rows against a small student.
//   npm run build && node bench/half.mjs [float32|bf16|fp16]
import { embedTokens, parseSlmConfig, slmForward, slmShapes } from "@kd/slm";
import {
  dispose,
  halfTensor,
  memoryReport,
  reshape,
  rowLosses,
  tensor,
  tidy,
  useBackend,
  zeros,
} from "@kd/tensor-core";

const keep = process.argv[2] ?? "float32";
const format = keep === "float32" ? "bf16" : keep;
const { engine, gemm, threads } = await useBackend({ engine: "wasm" });
const config = parseSlmConfig({
  model_type: "qwen2",
  vocab_size: 151936,
  hidden_size: 896,
  intermediate_size: 4864,
  num_hidden_layers: 24,
  num_attention_heads: 14,
  num_key_value_heads: 2,
  rope_theta: 1e6,
  tie_word_embeddings: true,
});
let seed = 1;
const params = new Map();
for (const [name, shape] of slmShapes(config, "")) {
  const words = new Uint16Array(shape.reduce((a, b) => a * b, 1));
  const top = format === "bf16" ? 0x3c00 : 0x2000; // about ±0.01
  for (let i = 0; i < words.length; i++) {
    seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0;
    words[i] = ((seed >>> 16) & 0x8000) | (top + (seed >>> 24));
  }
  const half = halfTensor({ format, words, shape });
  params.set(name, keep === "float32" ? tensor(half.dataSync(), shape) : half);
  if (keep === "float32") half.dispose();
}
const mebibytes = (bytes) => Math.round(bytes / 2 ** 20);
const inputIds = Int32Array.from({ length: 256 }, (_, i) => (i * 7919) % config.vocab_size);
const weights = memoryReport().heap.inUse;
const hidden = () => {
  const embeddings = embedTokens({ config, params, inputIds, shape: [1, 256], prefix: "" });
  const result = slmForward({ config, params, embeddings, prefix: "" });
  embeddings.dispose();
  return result;
};
const timed = (run) => {
  const times = [0, 1, 2].map(() => {
    const start = performance.now();
    dispose(run());
    return performance.now() - start;
  });
  return Math.round(Math.min(...times));
};
const forward = timed(hidden);
const { heap, process: resident } = memoryReport();
const checksum = tidy(() =>
  hidden()
    .dataSync()
    .reduce((sum, x) => sum + Math.abs(x), 0),
);
const student = { hidden: zeros([256, 64]), head: zeros([config.vocab_size, 64]) };
const taught = tidy(() => reshape(hidden(), [-1, config.hidden_size]));
const kl = timed(() =>
  Object.values(rowLosses({ student, teacher: { hidden: taught, head: params.get("model.embed_tokens.weight") } })),
);
console.log(
  `${keep} on ${engine}, ${gemm.library ?? gemm.provider}, ${threads} threads: weights ${mebibytes(weights)} MiB of heap; forward peak ${mebibytes(heap.peak)} MiB ` +
    `(grown to ${mebibytes(heap.grown)}), process ${mebibytes(resident.resident)} MiB, ${forward} ms; KL ${kl} ms, peak ${mebibytes(memoryReport().heap.peak)} MiB; checksum ${checksum}`,
);
