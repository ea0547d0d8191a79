// Saves small random models and lets Python's transformers load them and compute the same logits. Needs a build.
//   npm run check:transformers [-- --python PATH]     without python and transformers: a line, and exit code 0
import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { createLlava, initLlava, parseLlavaConfig, visualTokens } from "../packages/mllm/dist/index.js";
import { loadLlava, saveLlava } from "../packages/mllm/dist/node/index.js";
import { writeSafetensors } from "../packages/safetensors/dist/node/index.js";
import { createRng, linear, tidy, useBackend } from "../packages/tensor-core/dist/index.js";

const TOLERANCE = 1e-5;
const { values } = parseArgs({ options: { python: { type: "string", default: "python3" } } });
const probe = spawnSync(values.python, ["-c", "import torch, transformers; print(transformers.__version__)"], {
  encoding: "utf8",
});
if (probe.status !== 0) {
  console.log(`check-transformers: skipped, ${values.python} has no torch with transformers; give one with --python`);
  process.exit(0);
}

const base = { hidden_size: 32, intermediate_size: 48, num_hidden_layers: 3, num_attention_heads: 4 };
const towers = {
  siglip: { ...base, model_type: "siglip_vision_model", image_size: 20, patch_size: 5 },
  clip: { ...base, model_type: "clip_vision_model", image_size: 20, patch_size: 5 },
};
const decoder = { ...base, vocab_size: 97, num_key_value_heads: 2 };
const decoders = {
  qwen2: { ...decoder, model_type: "qwen2", tie_word_embeddings: true, rope_theta: 1e6 },
  llama: { ...decoder, model_type: "llama", tie_word_embeddings: false, rms_norm_eps: 1e-5 },
};
const cases = [
  ["siglip", "qwen2", { dtype: "F32" }, { vision_feature_select_strategy: "full", vision_feature_layer: -1 }],
  ["siglip", "qwen2", { dtype: "BF16", maxShardSize: 20_000 }, {}],
  ["clip", "qwen2", { dtype: "F32", maxShardSize: 20_000 }, { vision_feature_layer: [-2, 1] }],
  ["clip", "llama", { dtype: "F32" }, { vision_feature_layer: -2 }],
  ["siglip", "llama", { dtype: "F16" }, { vision_feature_select_strategy: "full" }],
];

await useBackend({ engine: "wasm", blas: false });
const home = mkdtempSync(join(tmpdir(), "kd-transformers-"));
let wrong = 0;
try {
  const folders = [];
  for (const [i, [tower, text, saving, more]] of cases.entries()) {
    const folder = join(home, `${tower}-${text}-${saving.dtype}-${i}`);
    await save(
      folder,
      { vision_config: towers[tower], text_config: decoders[text], image_token_index: 93, ...more },
      saving,
    );
    folders.push(folder);
  }
  const script = join(dirname(fileURLToPath(import.meta.url)), "check-transformers.py");
  const run = spawnSync(values.python, [script, ...folders], { encoding: "utf8", maxBuffer: 2 ** 26 });
  const answers = run.stdout
    .trim()
    .split("\n")
    .filter((line) => line.startsWith("{"))
    .map((line) => JSON.parse(line));
  for (const { folder, relative_error: error, card, ...keys } of answers) {
    const strange = Object.entries(keys).filter(([, names]) => names.length > 0);
    const right = error < TOLERANCE && strange.length === 0 && card.includes("pipeline_tag");
    wrong += right ? 0 : 1;
    console.log(
      `${right ? "ok   " : "WRONG"} ${folder}: relative error ${error.toExponential(1)}${strange.map((s) => ` ${s.join(" ")}`).join("")}`,
    );
  }
  if (answers.length < cases.length) {
    wrong += cases.length - answers.length;
    console.error(run.stderr.trim().split("\n").slice(-12).join("\n"));
  }
  console.log(
    `check-transformers: transformers ${probe.stdout.trim()}, ${cases.length - wrong} of ${cases.length} agree within ${TOLERANCE}`,
  );
} finally {
  rmSync(home, { recursive: true });
}
process.exit(wrong > 0 ? 1 : 0);

/** A new model in a folder, and beside it an input with the logits of what was stored. */
async function save(folder, value, saving) {
  const config = parseLlavaConfig(value);
  const rng = createRng(7);
  const made = await createLlava({ config, params: initLlava(config, rng) });
  await saveLlava(made, folder, { ...saving, card: { name: "check", teacher: "org/teacher" } });
  const model = await loadLlava(folder);
  const [side, count] = [config.vision_config.image_size, visualTokens(config)];
  const length = count + 6;
  const ids = Int32Array.from({ length: 2 * length }, (_, i) =>
    (i % length) - 2 < 0 || (i % length) - 2 >= count ? 1 + (i % 90) : 93,
  );
  const pixels = Float32Array.from({ length: 2 * side * side * 3 }, () => rng.normal());
  const batch = {
    inputIds: ids,
    labels: new Int32Array(2 * length).fill(-100),
    attentionMask: new Uint8Array(2 * length).fill(1),
    shape: [2, length],
    imageSpans: [0, 1].map((sample) => ({ sample, start: 2, length: count, image: sample })),
    images: { kind: "pixels", data: pixels, shape: [2, side, side, 3] },
  };
  const logits = tidy(() => linear(model.forward(batch).hidden, model.head));
  mkdirSync(join(folder, "expected"));
  await writeSafetensors(join(folder, "expected", "logits.safetensors"), [
    ["input_ids", { dtype: "I32", shape: [2, length], data: ids }],
    ["pixel_values", { dtype: "F32", shape: [2, side, side, 3], data: pixels }],
    ["logits", { dtype: "F32", shape: logits.shape, data: await logits.data() }],
  ]);
}
