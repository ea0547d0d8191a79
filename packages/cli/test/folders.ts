import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { createLlava, initLlava, type Llava, parseLlavaConfig } from "@kd/mllm";
import { saveLlava } from "@kd/mllm/node";
import { writeSafetensors } from "@kd/safetensors/node";
import { createRng, dispose, tensor, useBackend, type Variable } from "@kd/tensor-core";
import sharp from "sharp";
import { tokenizerJson } from "../../data/test/tiny-tokenizer.ts";
import { ENVIRONMENT } from "./kd.ts";

const config = (layers: number, width: number) =>
  parseLlavaConfig({
    vision_config: {
      model_type: "siglip_vision_model",
      hidden_size: 8,
      intermediate_size: 16,
      num_hidden_layers: 2,
      num_attention_heads: 2,
      image_size: 8,
      patch_size: 4,
    },
    text_config: {
      vocab_size: 20,
      hidden_size: width,
      intermediate_size: 16,
      num_hidden_layers: layers,
      num_attention_heads: 2,
      tie_word_embeddings: true,
    },
    image_token_index: 19,
    vision_feature_select_strategy: "full",
  });

const CHAT =
  "{% for message in messages %}{% if message['role'] == 'user' %}Q: {{ message['content'] }} A:{% else %} {{ message['content'] }} <eos>{% endif %}{% endfor %}";
/** The same as CHAT, for the configuration. */
export const TEMPLATE = { user: "Q: ", assistant: " A:", after_answer: " <eos>" };
const textFiles: Readonly<Record<string, string>> = {
  "tokenizer.json": JSON.stringify(tokenizerJson),
  "tokenizer_config.json": JSON.stringify({ eos_token: "<eos>", chat_template: CHAT }),
};

async function part(folder: string, model: Llava, { prefix, about }: { prefix: string; about: object }): Promise<void> {
  await mkdir(folder, { recursive: true });
  const weights = [];
  for (const [name, value] of model.params)
    if (name.startsWith(prefix)) {
      const data = Float32Array.from(await value.data());
      weights.push([name.slice(prefix.length), { dtype: "F32", shape: value.shape, data }] as const);
    }
  await writeSafetensors(join(folder, "model.safetensors"), weights as never);
  await writeFile(join(folder, "config.json"), JSON.stringify(about));
}

/** Under `home`: `teacher` and `student` (one tower), their parts `language-model` and `tower`, `pictures`, `data.json` and `train.json`. */
export async function makeFolders(home: string): Promise<void> {
  await useBackend({
    engine: ENVIRONMENT.KD_ENGINE,
    ...(ENVIRONMENT.KD_ENGINE === "wasm" ? { blas: false as const } : {}),
  });
  const small = config(1, 8);
  const params = initLlava(small, createRng(1));
  const embedding = params.get("language_model.model.embed_tokens.weight") as Variable;
  // Rows without a word have logits of 0, so that answers are words.
  const values = Float32Array.from(await embedding.data(), (x, i) => (i < 11 * 8 ? x : 0));
  const words = tensor(values, [20, 8]);
  embedding.assign(words);
  words.dispose();
  const student = await createLlava({ config: small, params });
  const large = config(2, 16);
  const teacher = await createLlava({
    config: large,
    params: initLlava(large, createRng(2), {
      from: new Map([...student.params].filter(([name]) => name.startsWith("vision_tower."))),
    }),
  });
  await saveLlava(student, join(home, "student"), { files: textFiles });
  await saveLlava(teacher, join(home, "teacher"), { files: textFiles });
  await part(join(home, "language-model"), student, {
    prefix: "language_model.",
    about: small.text_config,
  });
  for (const [name, text] of Object.entries(textFiles)) await writeFile(join(home, "language-model", name), text);
  await part(join(home, "tower"), student, { prefix: "vision_tower.", about: small.vision_config });
  dispose([...student.params.values(), ...teacher.params.values()]);

  await mkdir(join(home, "pictures"));
  for (const [i, name] of ["star", "moon"].entries())
    await sharp({ create: { width: 12, height: 12, channels: 3, background: { r: 250 * i, g: 90, b: 20 } } })
      .png()
      .toFile(join(home, "pictures", `${name}.png`));
  const record = (id: string, answer: string, image?: string) => ({
    id,
    ...(image === undefined ? {} : { image }),
    conversations: [
      { from: "human", value: `${image === undefined ? "" : "<image>\n"}what is it ?` },
      { from: "gpt", value: answer },
    ],
  });
  const records = [record("a", "a star", "star.png"), record("b", "a moon", "moon.png"), record("c", "is it a moon")];
  await writeFile(join(home, "data.json"), JSON.stringify(records));
  await writeFile(
    join(home, "train.json"),
    JSON.stringify({
      teacher: "teacher",
      student: { language_model: "language-model" },
      output_dir: "run",
      data_path: "data.json",
      image_folder: "pictures",
      template: TEMPLATE,
      batch_size: 2,
      micro_batch_size: 1,
      learning_rate: 1e-2,
      max_steps: 12,
      save_steps: 5,
      dpt: { template: { assistant: "", after_answer: " <eos>", drop_question: true } },
    }),
  );
}
