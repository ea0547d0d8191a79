import { join } from "node:path";
import { KdError } from "@kd/contract";
import { checkVocabulary } from "@kd/data";
import { createLlava, initLlava, type Llava, type LlavaConfig, parseLlavaConfig, withAdapter } from "@kd/mllm";
import { openLlava as recognise } from "@kd/mllm/node";
import { openWeights } from "@kd/safetensors/node";
import { initAdapter } from "@kd/slm";
import { loadParams, loadSlm } from "@kd/slm/node";
import { createRng, dispose, type Params } from "@kd/tensor-core";
import { parseVisionConfig, visionShapes } from "@kd/vision-encoder";
import { type ImageProcessor, openImageProcessor } from "../image-processor.ts";
import { readJson, readJsonIfThere } from "../json-file.ts";
import { openLlava } from "../open-model.ts";
import { resolveFolder } from "../resolve-folder.ts";
import { readTextFiles, type TextFiles, tokensById } from "../text-files.ts";
import type { RunConfig } from "./config.ts";

const IMAGE = "<image>";

/** The model that is trained. */
export interface Student {
  readonly model: Llava;
  readonly processor: ImageProcessor;
  readonly text: StudentText;
}

/** What a student's folder says about text, and the files that it is saved with. */
interface StudentText extends TextFiles {
  readonly tokenizerJson: Readonly<Record<string, unknown>>;
  readonly tokenizerConfig: Readonly<Record<string, unknown>>;
}

async function readStudentText(folder: string): Promise<StudentText> {
  return {
    ...(await readTextFiles(folder)),
    tokenizerJson: await readJson(join(folder, "tokenizer.json")),
    tokenizerConfig: (await readJsonIfThere(join(folder, "tokenizer_config.json"))) ?? {},
  };
}

/** The model that is trained, with fresh adapters where the configuration asks for them. */
export async function openStudent(config: RunConfig): Promise<Student> {
  const student = await openBase(config);
  const { config: llava } = student.model;
  const { tokenizer } = student.text;
  checkVocabulary({
    tokenizerSize: tokenizer.size,
    vocabSize: llava.text_config.vocab_size,
    imageTokenId: llava.image_token_index,
  });
  if (config.lora === null) return student;
  const rng = createRng(config.seed).fork("lora");
  return {
    ...student,
    model: withAdapter(student.model, initAdapter({ config: llava.text_config, lora: config.lora, rng })),
  };
}

/** A student's folder as it is; or a language model and a tower with a new projector between them, as LLaVA starts. */
async function openBase({ student, teacher: teacherId, seed }: RunConfig): Promise<Student> {
  if (typeof student === "string") {
    const folder = await resolveFolder(student);
    return { ...(await openLlava(folder)), text: await readStudentText(folder) };
  }
  const { vision_feature_layer, vision_feature_select_strategy } = student;
  const folder = await resolveFolder(student.language_model);
  const teacher = teacherId === null ? null : await resolveFolder(teacherId);
  const vision_tower = student.vision_tower && (await resolveFolder(student.vision_tower));
  const taught = teacher === null ? undefined : (await recognise(teacher)).config;
  const tower = vision_tower ?? teacher;
  if (tower === null)
    throw new KdError(
      "KD_CONFIG",
      "student: vision_tower is missing; give the folder of a tower, or a teacher whose tower it shares",
    );
  const language = await loadSlm(folder, { prefix: "language_model." });
  const vision = await readTower(tower);
  const text = withImageToken(await readStudentText(folder), language.config.vocab_size, taught?.image_token_index);
  const config = parseLlavaConfig({
    vision_config: vision.config,
    text_config: language.config,
    image_token_index: text.imageTokenId,
    vision_feature_layer: vision_feature_layer ?? taught?.vision_feature_layer ?? -2,
    vision_feature_select_strategy:
      vision_feature_select_strategy ?? taught?.vision_feature_select_strategy ?? "default",
  });
  const from: Params = new Map([...language.params, ...vision.params]);
  const params = initLlava(config, createRng(seed).fork("student"), { from });
  dispose([...from.values()]);
  const processor = await openImageProcessor(tower, config);
  return { model: await createLlava({ config, params, processor: processor.name }), processor, text };
}

/** A tower's own folder, a whole SigLIP's or CLIP's, or that of a vision-language model. */
async function readTower(folder: string): Promise<{ config: LlavaConfig["vision_config"]; params: Params }> {
  const path = join(folder, "config.json");
  const raw = await readJson(path);
  const all = { ignored: () => true }; // what is not the tower's
  if (raw.text_config !== undefined && raw.model_type !== "siglip" && raw.model_type !== "clip") {
    const { config, parts } = await recognise(folder);
    return {
      config: config.vision_config,
      params: await loadParams(parts, { ...all, shapes: visionShapes(config.vision_config) }),
    };
  }
  const config = parseVisionConfig(raw.vision_config ?? raw, path);
  const rename = (name: string): string => `vision_tower.${name}`;
  return {
    config,
    params: await loadParams([{ weights: await openWeights(folder), rename }], {
      ...all,
      shapes: visionShapes(config),
    }),
  };
}

/** The image token of the tokenizer, or a free row of the embedding for it, which the tokenizer then knows. */
function withImageToken(
  text: StudentText,
  rows: number,
  wanted?: number,
): StudentText & { readonly imageTokenId: number } {
  const tokens = tokensById(text.tokenizerJson);
  const known = [...tokens].find(([, token]) => token === IMAGE)?.[0];
  if (known !== undefined) return { ...text, imageTokenId: known };
  const free = wanted ?? [...tokens.keys()].reduce((a, b) => Math.max(a, b), -1) + 1;
  if (free >= rows || tokens.has(free))
    throw new KdError(
      "KD_CONFIG",
      `student: expected a row of the embedding for ${IMAGE}, got ${rows} rows and token ${JSON.stringify(tokens.get(free))} at ${free}; add the token to the language model first`,
    );
  const token = {
    id: free,
    content: IMAGE,
    single_word: false,
    lstrip: false,
    rstrip: false,
    normalized: false,
    special: true,
  };
  const added = [...((text.tokenizerJson.added_tokens ?? []) as object[]), token];
  return { ...text, tokenizerJson: { ...text.tokenizerJson, added_tokens: added }, imageTokenId: free };
}
