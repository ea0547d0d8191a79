import type { TokenBatch } from "@kd/contract";
import { createLlava, initLlava, type Llava, parseLlavaConfig } from "@kd/mllm";
import { stages, trainStage } from "@kd/stages";
import { createRng, type Params, type Rng, type Tensor } from "@kd/tensor-core";
import type { Job } from "./job.ts";
import { decoderConfig, type Sizes } from "./sizes.ts";

const FEATURE_WIDTH = 64;

/**
 * A step of a stage that trains the projector alone, the first half of each sample made of visual tokens: `frozen-slm` with cross-entropy
 * (PT), `dpt` with a teacher of the same sizes and every term.
 */
export async function stageStep(name: string, sizes: Sizes, variant: "frozen-slm" | "dpt"): Promise<Job> {
  const rng = createRng(1);
  const student = await model(sizes, rng.fork("student"));
  // The student's tower, too: both must see the same features.
  const teacher = variant === "dpt" ? { teacher: await model(sizes, rng.fork("teacher"), visionOf(student)) } : {};
  const batch = {
    ...visualBatch(sizes, rng.fork("batch")),
    images: features(sizes, student.tower, rng.fork("images")),
  };
  const reports = trainStage({
    stage: variant === "dpt" ? stages.dpt : stages.pt,
    student,
    ...teacher,
    steps: forever(batch),
    totalSteps: Number.MAX_SAFE_INTEGER,
    warmupRatio: 0,
  });
  return {
    what: `step ${name} ${variant}`,
    run: async () => (await reports.next()).value?.loss ?? Number.NaN,
    facts: { config: name, variant, tokens: sizes.batch * sizes.tokens },
  };
}

/** The tower is as small as can be: it is not run, its features come with the batch. */
async function model(sizes: Sizes, rng: Rng, from: Params = new Map()): Promise<Llava> {
  const tower = { hidden_size: FEATURE_WIDTH, intermediate_size: 8, num_hidden_layers: 1, num_attention_heads: 1 };
  const config = parseLlavaConfig({
    vision_config: { ...tower, image_size: 16, patch_size: 16 },
    text_config: decoderConfig(sizes),
    image_token_index: 0,
  });
  return createLlava({ config, params: initLlava(config, rng, { from }) });
}

function visionOf({ params, groups }: Llava): Params {
  return new Map(groups.vision.map((name) => [name, params.get(name) as Tensor]));
}

function visualBatch({ batch, tokens, vocabulary }: Sizes, rng: Rng): TokenBatch {
  const length = Math.floor(tokens / 2);
  const isText = (i: number) => i % tokens >= length;
  const inputIds = Int32Array.from({ length: batch * tokens }, (_, i) => (isText(i) ? rng.int(vocabulary) : 0));
  return {
    inputIds,
    labels: inputIds.map((id, i) => (isText(i) ? id : -100)),
    attentionMask: new Uint8Array(batch * tokens).fill(1),
    shape: [batch, tokens],
    imageSpans: Array.from({ length: batch }, (_, sample) => ({ sample, start: 0, length, image: sample })),
  };
}

function features({ batch, tokens }: Sizes, tower: string, rng: Rng): NonNullable<TokenBatch["images"]> {
  const length = Math.floor(tokens / 2);
  const data = Float32Array.from({ length: batch * length * FEATURE_WIDTH }, rng.normal);
  return { kind: "features", data, shape: [batch, length, FEATURE_WIDTH], tower };
}

function* forever(batch: TokenBatch) {
  for (;;) yield [batch];
}
