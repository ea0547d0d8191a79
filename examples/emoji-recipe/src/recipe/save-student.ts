import { rm } from "node:fs/promises";
import { join } from "node:path";
import { KdError } from "@kd/contract";
import { siglipProcessorConfig } from "@kd/data";
import type { Llava } from "@kd/mllm";
import { saveLlava } from "@kd/mllm/node";
import { latestCheckpoint } from "@kd/runs/node";
import { restoreWeights } from "@kd/stages";
import { PIXELS } from "../data/rasterise.ts";
import { EOS_ID, PAD_ID, type Text } from "../model/text.ts";
import { newStudent } from "./materials.ts";
import { modelCard } from "./model-card.ts";
import { type Chain, runFolder } from "./schemes.ts";
import { type Summary, seedFolder } from "./summary.ts";

/** The model at the end of a trained chain. */
export async function trainedModel(options: {
  chain: Chain;
  text: Text;
  folder: string;
  seed: number;
}): Promise<Llava> {
  const { chain, text, folder, seed } = options;
  const model = await newStudent(text, seed);
  const run = runFolder(seedFolder(folder, seed), chain);
  const { checkpoint } = await latestCheckpoint(join(run, "checkpoints"));
  if (checkpoint === undefined)
    throw new KdError("KD_DATA", `${run}: expected a finished run, got no whole checkpoint; --resume trains it again`);
  restoreWeights(checkpoint.training, model.params);
  return model;
}

/** Writes the student as a Hugging Face LLaVA folder with tokenizer, processor and model card. */
export async function saveStudent(
  student: Llava,
  { folder, text, summary }: { folder: string; text: Text; summary: Summary },
): Promise<void> {
  const json = (value: unknown): string => `${JSON.stringify(value, null, 2)}\n`;
  await rm(folder, { recursive: true, force: true }); // an earlier, unfinished report of the same run
  await saveLlava(student, folder, {
    files: {
      "README.md": modelCard(summary),
      "tokenizer.json": json(text.tokenizerJson),
      "tokenizer_config.json": json({
        tokenizer_class: "PreTrainedTokenizerFast",
        pad_token: "<pad>",
        eos_token: "<eos>",
        unk_token: "<unk>",
        chat_template:
          "{% for message in messages %}{% if message['role'] == 'user' %}<image> {{ message['content'] }} <ast>{% else %} {{ message['content'] }} <eos>{% endif %}{% endfor %}",
      }),
      "generation_config.json": json({
        eos_token_id: EOS_ID,
        pad_token_id: PAD_ID,
        max_new_tokens: 16,
        do_sample: false,
      }),
      "preprocessor_config.json": json(siglipProcessorConfig(PIXELS)),
    },
  });
}
