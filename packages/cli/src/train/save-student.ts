import { saveLlava } from "@kd/mllm/node";
import { preprocessorConfig } from "../image-processor.ts";
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
      "tokenizer.json": jsonText(tokenizerJson),
      "tokenizer_config.json": jsonText({
        ...tokenizerConfig,
        ...(end === "" ? {} : { eos_token: end }),
        ...(template === undefined ? {} : { chat_template: chatTemplateOf(template) }),
      }),
      "generation_config.json": jsonText({ ...(eos === undefined ? {} : { eos_token_id: eos }), do_sample: false }),
      "preprocessor_config.json": jsonText(preprocessorConfig(processor.size)),
    },
  });
}
