#!/usr/bin/env node
// Writes the models of train.json from the weights that the emoji recipe ships: a teacher, and what the student is made of.
import { mkdir, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { Llava } from "@kd/mllm";
import { saveLlava } from "@kd/mllm/node";
import { writeSafetensors } from "@kd/safetensors/node";
import { slmConfigJson } from "@kd/slm";
import { useBackend } from "@kd/tensor-core";
import { concepts } from "@kd-example/emoji-recipe/dist/data/concepts.js";
import { buildLexicon } from "@kd-example/emoji-recipe/dist/data/lexicon.js";
import { assembleModel, assetPath } from "@kd-example/emoji-recipe/dist/model/assets.js";
import { EOS_ID, openText } from "@kd-example/emoji-recipe/dist/model/text.js";

const MODELS = process.argv[2] ?? join(import.meta.dirname, "../models");
const json = (value: unknown): string => `${JSON.stringify(value, null, 2)}\n`;

await useBackend({ engine: "wasm" });
const text = openText(buildLexicon(concepts()));
const textFiles = {
  "tokenizer.json": json(text.tokenizerJson),
  "tokenizer_config.json": json({
    tokenizer_class: "PreTrainedTokenizerFast",
    pad_token: "<pad>",
    eos_token: "<eos>",
    unk_token: "<unk>",
    chat_template:
      "{% for message in messages %}{% if message['role'] == 'user' %}{{ message['content'] }} <ast>{% else %} {{ message['content'] }} <eos>{% endif %}{% endfor %}",
  }),
  "generation_config.json": json({ eos_token_id: EOS_ID, do_sample: false }),
};

/** A part of a model as a folder of its own: the weights whose names begin so, without the first `cut` letters. */
async function savePart(
  name: string,
  model: Llava,
  config: object,
  { prefix, cut }: { prefix: string; cut: number },
): Promise<void> {
  const folder = join(MODELS, name);
  await mkdir(folder, { recursive: true });
  const weights: [string, { dtype: "F16"; shape: number[]; data: Float32Array }][] = [];
  for (const [key, value] of model.params)
    if (key.startsWith(prefix))
      weights.push([key.slice(cut), { dtype: "F16", shape: value.shape, data: Float32Array.from(await value.data()) }]);
  await writeSafetensors(join(folder, "model.safetensors"), weights, { format: "pt" });
  await writeFile(join(folder, "config.json"), json(config));
}

await rm(MODELS, { recursive: true, force: true });
const teacher = await assembleModel("teacher", text, { files: [assetPath("encoder"), assetPath("teacher")], seed: 0 });
await saveLlava(teacher, join(MODELS, "teacher"), { files: textFiles, dtype: "F16" });
const student = await assembleModel("student", text, {
  files: [assetPath("encoder"), assetPath("base-student")],
  seed: 0,
});
const { vision_config, text_config } = student.config;
await savePart(
  "tower",
  student,
  { ...vision_config, model_type: "siglip_vision_model" },
  { prefix: "vision_tower.", cut: 13 },
);
const language = slmConfigJson(text_config);
await savePart("language-model", student, language, { prefix: "language_model.", cut: 15 });
for (const [name, contents] of Object.entries(textFiles))
  await writeFile(join(MODELS, "language-model", name), contents);
process.stdout.write(`${MODELS}\n`);
process.exit(0);
