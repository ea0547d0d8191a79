import { basename, isAbsolute } from "node:path";
import { type ModelCard, modelCard } from "@kd/mllm";
import { saveLlava } from "@kd/mllm/node";
import { jsonText } from "../json-file.ts";
import { chatTemplateOf } from "../prompt.ts";
import { contentOf } from "../text-files.ts";
import { type RunConfig, type StageConfig, templateOf } from "./config.ts";
import type { Student } from "./student.ts";

/** Writes a Hugging Face LLaVA folder that is asked as it was trained: with tokenizer, chat template, processor and end token. */
export async function saveStudent(
  folder: string,
  { model, processor, text }: Student,
  config: RunConfig,
): Promise<void> {
  const { tokenizerConfig, tokenizerJson, tokenizer } = text;
  // The last stage that answers questions: a captioning stage knows no dialogue.
  const templates = config.stages.map((name) => templateOf(config[name] as StageConfig));
  const template = templates.findLast(({ dropQuestion }) => !dropQuestion);
  const end = template?.afterAnswer.trim() ?? contentOf(tokenizerConfig.eos_token);
  const [eos] = end === "" ? [] : tokenizer.encode(end);
  await saveLlava(model, folder, {
    files: {
      "README.md": modelCard(model.config, cardOf(config)),
      "tokenizer.json": jsonText(tokenizerJson),
      "tokenizer_config.json": jsonText({
        ...tokenizerConfig,
        ...(end === "" ? {} : { eos_token: end }),
        ...(template === undefined ? {} : { chat_template: chatTemplateOf(template) }),
      }),
      "generation_config.json": jsonText({ ...(eos === undefined ? {} : { eos_token_id: eos }), do_sample: false }),
      "preprocessor_config.json": jsonText(processor.config),
    },
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
    training: `Stages ${stages.join(", ")}, weights of preset ${preset}, seed ${seed}.\n\n${rows.join("\n")}`,
  };
}
