import { KdError } from "@kd/contract";
import { checkSameVisualTokens, createLlava, type Llava, type LlavaConfig } from "@kd/mllm";
import { checkTokenizer, openLlava as recognise } from "@kd/mllm/node";
import type { HalfFormat, Params } from "@kd/tensor-core";
import { openImageProcessor } from "../image-processor.ts";
import { openLlava } from "../open-model.ts";
import { resolveFolder } from "../resolve-folder.ts";
import { readTokens, tokensById } from "../text-files.ts";
import type { Student } from "./student.ts";

/**
 * The teacher, in 16 bits, with the student's tower where its own is the same up to its precision, so that features are computed once.
 *
 * @throws KdError `KD_CONFIG` where tower, image token or tokenizer are not the student's.
 */
export async function openTeacher(
  folderOrId: string,
  { keep, student }: { readonly keep: "float32" | HalfFormat; readonly student: Student },
): Promise<Llava> {
  const folder = await resolveFolder(folderOrId);
  await checkTeacher(folder, student);
  const { config, params } = (await openLlava(folder, { keep })).model;
  for (const name of student.model.groups.vision) {
    const [mine, theirs] = [params.get(name), student.model.params.get(name)];
    if (mine === undefined || theirs === undefined || !(await isSame(mine, theirs, keep)))
      throw otherTower(folder, name);
    mine.dispose();
    params.set(name, theirs);
  }
  // The hash covers the configuration as it is written; that the two mean the same is what counts.
  const { vision_config } = student.model.config;
  if (towerText(config) !== towerText(student.model.config)) throw otherTower(folder, "its configuration");
  return createLlava({ config: { ...config, vision_config }, params, processor: student.processor.name });
}

/** What a teacher must share with the student, as far as its files say it. Throws `KD_CONFIG`. */
export async function checkTeacher(folder: string, student: Student): Promise<void> {
  const { config } = await recognise(folder);
  checkSameVisualTokens(config, student.model.config);
  await checkTokenizer(folder, config);
  const processor = await openImageProcessor(folder, config);
  if (processor.name !== student.processor.name)
    throw new KdError(
      "KD_CONFIG",
      `${folder}: expected the student's image processor, got another: ${processor.name} instead of ${student.processor.name}; teacher and student must see the same pixels: copy one's preprocessor_config.json to the other`,
    );
  if (config.image_token_index !== student.model.config.image_token_index)
    throw new KdError(
      "KD_CONFIG",
      `${folder}: the image token must be ${student.model.config.image_token_index}, the student's, got ${config.image_token_index}; use models of one tokenizer`,
    );
  checkSameTokens(await readTokens(folder), tokensById(student.text.tokenizerJson), folder);
}

/** What decides features besides weights. */
function towerText({ vision_config, vision_feature_layer, vision_feature_select_strategy }: LlavaConfig): string {
  const { model_type: _, ...sizes } = vision_config as LlavaConfig["vision_config"] & { readonly model_type?: string };
  return JSON.stringify([Object.entries(sizes).sort(), vision_feature_layer, vision_feature_select_strategy]);
}

type Weight = NonNullable<ReturnType<Params["get"]>>;

/** Equal, or equal once the student's are rounded as the teacher's were. */
async function isSame(mine: Weight, theirs: Weight, keep: "float32" | HalfFormat): Promise<boolean> {
  const [a, b] = [(await mine.data()) as Float32Array, Float32Array.from(await theirs.data())];
  // 8 bits of fraction in bf16, 11 in fp16 with its least step.
  const [relative, least] = keep === "bf16" ? [2 ** -8, 0] : keep === "fp16" ? [2 ** -11, 2 ** -25] : [0, 0];
  return (
    a.length === b.length &&
    a.every((x, i) => Math.abs(x - (b[i] as number)) <= Math.abs(b[i] as number) * relative + least)
  );
}

const otherTower = (folder: string, name: string): KdError =>
  new KdError(
    "KD_CONFIG",
    `${folder}: expected the student's vision tower, got another (${name} differs); teacher and student must share it: leave student.vision_tower out to take the teacher's`,
  );

function checkSameTokens(theirs: ReadonlyMap<number, string>, mine: ReadonlyMap<number, string>, folder: string): void {
  for (const [id, token] of mine)
    if (theirs.has(id) && theirs.get(id) !== token)
      throw new KdError(
        "KD_CONFIG",
        `${folder}: token ${id} must be ${JSON.stringify(token)}, the student's, got ${JSON.stringify(theirs.get(id))}; teacher and student need one tokenizer`,
      );
}
