// Adapters that we write, loaded by Python's PEFT beside their base model and merged into it: the same logits?
//   npm run build && node scripts/check-peft.mjs [PYTHON]     (needs torch, transformers 4.57, peft 0.18, safetensors)
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import * as mllm from "../packages/mllm/dist/index.js";
import { loadLlava, saveLlava } from "../packages/mllm/dist/node/index.js";
import * as slm from "../packages/slm/dist/index.js";
import { loadAdapter, loadSlm, saveAdapter, saveSlm } from "../packages/slm/dist/node/index.js";
import { createRng, linear, tensor, tidy, useBackend } from "../packages/tensor-core/dist/index.js";

const root = join(import.meta.dirname, "..");
const models = join(root, "goldens/data/models");
const work = mkdtempSync(join(tmpdir(), "kd-peft-"));
const inputIds = Int32Array.from({ length: 14 }, (_, i) => 3 + ((i * 7) % 40));
const shape = [2, 7];

function adapterFor(config, prefix, choice) {
  const lora = slm.parseLoraConfig(choice);
  const adapter = slm.initAdapter({ config, lora, prefix, rng: createRng(1) });
  const rng = createRng(2);
  for (const [name, value] of adapter.params)
    if (name.endsWith("lora_B.weight"))
      value.assign(
        tensor(
          Float32Array.from({ length: value.size }, () => 0.3 * rng.normal()),
          value.shape,
        ),
      );
  return adapter;
}

function logitsOf({ config, params }, prefix) {
  const logits = tidy(() => {
    const embeddings = slm.embedTokens({ config, params, inputIds, shape, prefix });
    const hidden = slm.slmForward({ config, params, embeddings, prefix });
    return linear(hidden, params.get(slm.headName(config, prefix)));
  });
  return logits.data().then((data) => [...data]);
}

await useBackend({ engine: "wasm", blas: false });
const cases = [];
try {
  for (const [name, choice] of [
    ["qwen2_tied", { r: 4, lora_alpha: 8, use_rslora: true, target_modules: "all-linear" }],
    ["llama", { r: 3, lora_alpha: 6, target_modules: ["q_proj", "down_proj"] }],
    ["qwen2_untied", { r: 2, lora_alpha: 1, target_modules: ".*layers\\.1\\..*_proj" }],
  ]) {
    const base = await loadSlm(join(models, name));
    const model = slm.withAdapter(base, adapterFor(base.config, "", choice));
    const [adapter, merged] = [join(work, `${name}-adapter`), join(work, `${name}-merged`)];
    await saveAdapter(adapter, { ...model, baseModel: join(models, name) });
    await saveSlm(slm.mergeAdapter(model), merged);
    cases.push({ name, base: join(models, name), adapter, merged, logits: await logitsOf(model, "") });
  }
  const llava = await loadLlava(join(models, "llava_default"));
  const text = llava.config.text_config;
  const choice = { r: 4, lora_alpha: 8, target_modules: ["q_proj", "v_proj", "up_proj"] };
  const model = mllm.withAdapter(llava, adapterFor(text, "language_model.", choice));
  const decoder = { config: model.config.text_config, params: model.params };
  const [adapter, merged, base] = [
    join(work, "llava-adapter"),
    join(work, "llava-merged"),
    join(models, "llava_default"),
  ];
  await saveAdapter(adapter, { ...decoder, baseModel: base });
  await saveLlava(mllm.mergeAdapter(model), merged);
  const again = mllm.withAdapter(llava, await loadAdapter(adapter, { config: text }));
  const logits = await logitsOf(decoder, "language_model.");
  const back = await logitsOf({ config: again.config.text_config, params: again.params }, "language_model.");
  if (logits.join() !== back.join()) throw new Error("an adapter that was saved and loaded gives other logits");
  cases.push({ name: "llava_default", base, adapter, merged, logits });
  writeFileSync(join(work, "cases.json"), JSON.stringify({ cases, inputIds: [...inputIds], shape }));
  const script = join(root, "goldens/generator/check_peft.py");
  process.exitCode =
    spawnSync(process.argv[2] ?? "python3", [script, join(work, "cases.json")], { stdio: "inherit" }).status ?? 1;
} finally {
  rmSync(work, { recursive: true });
}
