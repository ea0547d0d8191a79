// Peak of the wasm heap in one training step of a decoder (d512 L8 V8192, 4×256), plain and with gradient checkpointing.
//   npm run build && node bench/memory.mjs [--blas off]
import { embedTokens, initSlm, parseSlmConfig, slmForward } from "@kd/slm";
import {
  createRng,
  dispose,
  memoryReport,
  operand,
  reshape,
  rowLosses,
  tensor1d,
  useBackend,
  variable,
  variableGrads,
} from "@kd/tensor-core";

const { engine, gemm, threads } = await useBackend({
  engine: "wasm",
  ...(process.argv.includes("--blas") ? { blas: false } : {}),
});
const config = parseSlmConfig({
  model_type: "qwen2",
  vocab_size: 8192,
  hidden_size: 512,
  intermediate_size: 1408,
  num_hidden_layers: 8,
  num_attention_heads: 8,
  num_key_value_heads: 2,
  tie_word_embeddings: true,
});
const [batch, length] = [4, 256];
const params = initSlm(config, createRng(1), "");
for (const [name, value] of params) {
  params.set(name, variable(value));
  value.dispose();
}
const trainable = new Set(params.keys());
const rng = createRng(2);
const ids = Int32Array.from({ length: batch * length }, () => rng.int(config.vocab_size));
const mebibytes = (bytes) => Math.round(bytes / 2 ** 20);
const common = { config, params, prefix: "", trainable };

function step(gradientCheckpointing) {
  const labels = tensor1d(ids, "int32");
  const { value, grads } = variableGrads(() => {
    const embeddings = embedTokens({ ...common, inputIds: ids, shape: [batch, length] });
    const hidden = slmForward({ ...common, embeddings, gradientCheckpointing });
    const student = {
      hidden: reshape(hidden, [-1, config.hidden_size]),
      head: operand(params, "model.embed_tokens.weight", trainable),
    };
    return rowLosses({ student, labels, ceWeight: 1 / ids.length }).loss;
  });
  const loss = value.dataSync()[0];
  dispose([value, labels, ...Object.values(grads)]);
  return loss;
}

const weights = memoryReport().heap.inUse;
console.log(`${engine}, ${gemm.library ?? gemm.provider}, ${threads} threads; weights ${mebibytes(weights)} MiB`);
for (const gradientCheckpointing of [true, false]) {
  // the smaller peak first: the mark never falls
  const times = [0, 1, 2].map(() => {
    const start = performance.now();
    step(gradientCheckpointing);
    return performance.now() - start;
  });
  const { peak } = memoryReport().heap;
  const name = gradientCheckpointing ? "checkpointed" : "plain       ";
  console.log(
    `${name} peak ${mebibytes(peak)} MiB, ${mebibytes(peak - weights)} beyond weights, ${Math.round(Math.min(...times))} ms a step, loss ${step(gradientCheckpointing)}`,
  );
}
