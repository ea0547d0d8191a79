import { join } from "node:path";
import { KdError } from "@kd/contract";
import { encodeConversation, type Inspection, templates } from "@kd/data";
import { type DiskSource, type InspectData, inspectData, loadChatTemplate, openSource } from "@kd/data/node";
import { visualTokens } from "@kd/mllm";
import { openLlava } from "@kd/mllm/node";
import { readJson } from "./json-file.ts";
import { isLlava } from "./open-model.ts";
import type { TemplateName } from "./prompt.ts";
import { resolveFolder } from "./resolve-folder.ts";
import { endProgress, grouped, progress } from "./terminal.ts";
import { readTextFiles } from "./text-files.ts";

/** How {@link inspectSources} looks. */
export interface InspectSources extends Pick<InspectData, "pictures" | "samples"> {
  readonly imageFolder?: string;
  /** Where indices and unpacked files go. @defaultValue beside the data */
  readonly indexFolder?: string;
  /** Sources of the split "test". */
  readonly test?: readonly string[];
  /** Counts tokens as this model reads them. */
  readonly model?: string;
  /** @defaultValue the model's chat template */
  readonly template?: TemplateName;
}

/** What is in data sets, by reading every record once. Throws `KD_DATA` for one that cannot be opened. */
export async function inspectSources(paths: readonly string[], options: InspectSources): Promise<Inspection> {
  const { imageFolder, indexFolder, test = [], model, template, pictures, samples } = options;
  const encode = model === undefined ? undefined : await encoderOf(model, template);
  const sources: { source: DiskSource; split: string }[] = [];
  try {
    for (const [path, split] of [...paths.map((path) => [path, "train"]), ...test.map((path) => [path, "test"])])
      sources.push({
        source: await openSource(path as string, {
          ...(imageFolder === undefined ? {} : { imageFolder }),
          ...(indexFolder === undefined ? {} : { indexFolder }),
        }),
        split: split as string,
      });
    return await inspectData(sources, {
      ...(encode === undefined ? {} : { encode }),
      ...(pictures === undefined ? {} : { pictures }),
      ...(samples === undefined ? {} : { samples }),
      ...(process.stderr.isTTY === true ? { onRecord: showRecord } : {}),
    });
  } finally {
    for (const { source } of sources) await source.close();
  }
}

/** One line that is rewritten in place. */
function showRecord(done: number, total: number): void {
  if (done % 500 === 0 || done === total) progress(`${grouped(done)} of ${grouped(total)} records read`);
  if (done === total) endProgress();
}

async function encoderOf(folderOrId: string, name?: TemplateName): Promise<NonNullable<InspectData["encode"]>> {
  const folder = await resolveFolder(folderOrId);
  const { tokenizer } = await readTextFiles(folder);
  const template = name === undefined ? await loadChatTemplate(folder, { tokenizer }) : templates[name];
  if (template === undefined)
    throw new KdError("KD_CONFIG", `${folder}: expected a chat template, got none; choose a --template`);
  const seen = isLlava(await readJson(join(folder, "config.json"))) ? (await openLlava(folder)).config : undefined;
  const imageTokenId = seen?.image_token_index ?? 0;
  const imageTokens = seen === undefined ? 1 : visualTokens(seen); // a language model alone: one a picture
  return (conversation) => encodeConversation(conversation, { tokenizer, template, imageTokenId, imageTokens });
}
