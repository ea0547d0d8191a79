import { basename, isAbsolute, join } from "node:path";
import { type ModelCard, mergeAdapter, modelCard } from "@kd/mllm";
import { saveLlava } from "@kd/mllm/node";
import { saveAdapter } from "@kd/slm/node";
import { dispose } from "@kd/tensor-core";
import { jsonText } from "../json-file.ts";
import { chatTemplateOf } from "../prompt.ts";
import { answeringStage } from "./answering-stage.ts";
import { type RunConfig, type StageConfig, templateOf } from "./config.ts";
import type { Student } from "./student.ts";

/**
 * Writes a Hugging Face LLaVA folder that is asked as it was trained: with tokenizer, chat template, processor and end token. Adapters are merged
 * into its weights, and lie in its `adapter/` as PEFT loads them.
 */
export async function saveStudent(
  folder: string,
  { model, processor, text }: Student,
  config: RunConfig,
): Promise<void> {
  const { tokenizerConfig, tokenizerJson, tokenizer } = text;
  const stage = answeringStage(config);
  const template = stage && templateOf(stage);
  const { bosToken, eosToken = "", prefixIds } = tokenizer;
  const end = template?.afterAnswer.trim() ?? eosToken;
  const [eos] = end === "" ? [] : tokenizer.encode(end);
  const { config: llava, params } = model;
  const merged = llava.text_config.lora === undefined ? model : mergeAdapter(model);
  await saveLlava(merged, folder, {
    files: {
      "README.md": modelCard(merged.config, cardOf(config)),
      "tokenizer.json": jsonText(tokenizerJson),
      "tokenizer_config.json": jsonText({
        ...tokenizerConfig,
        ...(bosToken === undefined ? {} : { bos_token: bosToken }),
        ...(end === "" ? {} : { eos_token: end }),
        ...(template === undefined ? {} : { chat_template: chatTemplateOf(template, tokenizer.decode(prefixIds)) }),
      }),
      "generation_config.json": jsonText({ ...(eos === undefined ? {} : { eos_token_id: eos }), do_sample: false }),
      "preprocessor_config.json": jsonText(processor.config),
    },
  });
  if (merged === model) return;
  dispose([...merged.params].flatMap(([name, value]) => (params.get(name) === value ? [] : [value])));
  const base = typeof config.student === "string" ? config.student : undefined;
  await saveAdapter(join(folder, "adapter"), {
    config: llava.text_config,
    params,
    ...(base === undefined ? {} : { baseModel: base }),
  });
}

/** What the run knows of the student; scores are for whoever evaluates it. Folders of this machine say nothing to others: hub ids alone. */
function cardOf(config: RunConfig): ModelCard {
  const { student, teacher, output_dir, stages, preset, seed } = config;
  const ids = (
    typeof student === "string" ? [student] : [student.language_model, student.vision_tower ?? teacher]
  ).filter((name) => typeof name === "string" && !isAbsolute(name)) as string[];
  const rows = [...new Set(stages)].map((name) => {
    const { epochs, max_steps, batch_size, learning_rate } = config[name] as StageConfig;
    return `- ${name}: ${max_steps === null ? `${epochs} epochs` : `${max_steps} steps`}, ${batch_size} records a step, learning rate ${learning_rate}`;
  });
  return {
    name: basename(output_dir),
    ...(ids.length === 0 ? {} : { baseModels: ids }),
    ...(teacher === null ? {} : { teacher: isAbsolute(teacher) ? basename(teacher) : teacher }),
    training: `${config.lora === null ? "" : `Low-rank adapters of rank ${config.lora.r} on the language model, merged. `}Stages ${stages.join(", ")}, weights of preset ${preset}, seed ${seed}.\n\n${rows.join("\n")}`,
  };
}
