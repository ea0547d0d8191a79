import { setImmediate } from "node:timers/promises";
import { KdError, type TokenBatch } from "@kd/contract";
import { collate, type Sample } from "@kd/data";
import { embedInputs } from "@kd/mllm";
import { createKeyValueCache, disposeKeyValueCache, embedTokens, headName, qwen2Forward } from "@kd/slm";
import { argMax, constant, linear, reshape, slice, type Tensor2D, type Tensor3D, tidy } from "@kd/tensor-core";
import type { OpenModel } from "./open-model.ts";

const TAG = "<image>";

/** A question to a model. */
export interface Question {
  /** The whole prompt; `<image>` stands for a picture. */
  readonly prompt: string;
  /** Files of the pictures, in the order of their places. */
  readonly images: readonly string[];
  readonly maxNewTokens: number;
}

/** What came of it. */
export interface Answer {
  readonly prompt_ids: readonly number[];
  /** Without the end token. */
  readonly ids: readonly number[];
  readonly text: string;
  /** Passes of the decoder by their time; reading the prompt, which gives the first token, is not part of it. */
  readonly tokens_per_second: number;
  readonly finish_reason: "stop" | "length";
}

/** What {@link ask} does on its way. */
export interface AskOptions {
  /** Gets the answer piece by piece, whole characters only. */
  readonly onText?: (piece: string) => void;
  /** Ends the answer where it is. */
  readonly signal?: AbortSignal;
}

/** The most probable answer. */
export async function ask(
  model: OpenModel,
  question: Question,
  { onText = () => {}, signal }: AskOptions = {},
): Promise<Answer> {
  const { tokenizer } = model.text;
  const batch = await promptBatch(model, question);
  const ids: number[] = [];
  let shown = "";
  let first = performance.now();
  for await (const id of greedyIds(model, batch, question.maxNewTokens)) {
    if (ids.length === 0) first = performance.now();
    ids.push(id);
    const text = tokenizer.decode(ids);
    if (text.endsWith("\uFFFD")) continue; // half a character
    onText(text.slice(shown.length));
    shown = text;
    await setImmediate(); // lets Ctrl-C through
    if (signal?.aborted) break;
  }
  const text = ids.length === 0 ? "" : tokenizer.decode(ids);
  onText(text.slice(shown.length));
  const seconds = (performance.now() - first) / 1000;
  const stopped = ids.length < question.maxNewTokens;
  const passes = stopped ? ids.length : ids.length - 1;
  return {
    prompt_ids: [...batch.inputIds],
    ids,
    text,
    tokens_per_second: passes > 0 ? passes / seconds : 0,
    finish_reason: stopped ? "stop" : "length",
  };
}

async function promptBatch(model: OpenModel, { prompt, images }: Question): Promise<TokenBatch> {
  const { text, config, vision } = model;
  const segments = prompt.split(TAG);
  if (vision === undefined && images.length > 0)
    throw new KdError("KD_CONFIG", `${model.folder}: a language model sees no pictures; use a LLaVA folder`);
  if (segments.length - 1 !== images.length)
    throw new KdError(
      "KD_DATA",
      `prompt: expected ${images.length} ${TAG}, one a picture, got ${segments.length - 1}; write it where the picture belongs`,
    );
  const inputIds: number[] = [];
  const imageSpans: Sample["imageSpans"][number][] = [];
  for (const [i, segment] of segments.entries()) {
    if (i > 0 && vision !== undefined) {
      const { tokens: length } = vision.processor;
      imageSpans.push({ start: inputIds.length, length });
      inputIds.push(...Array<number>(length).fill(vision.model.config.image_token_index));
    }
    if (segment !== "") inputIds.push(...text.tokenizer.encode(segment));
  }
  if (inputIds.length === 0) throw new KdError("KD_DATA", "prompt: expected a text, got none; give one");
  const batch = collate([{ inputIds, labels: inputIds, imageSpans }], { padId: 0, vocabSize: config.vocab_size });
  if (vision === undefined || images.length === 0) return batch;
  const pictures = await Promise.all(images.map((file) => vision.processor.pixels(file)));
  const { size } = vision.processor;
  const data = new Float32Array(pictures.length * size * size * 3);
  for (const [i, picture] of pictures.entries()) data.set(picture, i * picture.length);
  return { ...batch, images: { kind: "pixels", data, shape: [pictures.length, size, size, 3] } };
}

/** The most probable continuation, id by id, up to an end token. */
async function* greedyIds(
  { config, params, text, vision }: OpenModel,
  batch: TokenBatch,
  maxNewTokens: number,
): AsyncGenerator<number> {
  const head = params.get(headName(config)) as Tensor2D;
  const cache = createKeyValueCache();
  const embed = (inputIds: Int32Array): Tensor3D =>
    embedTokens({ config, params, inputIds, shape: [1, inputIds.length] });
  let next = vision === undefined ? embed(batch.inputIds) : embedInputs({ ...vision.model, batch });
  try {
    for (let step = 0; step < maxNewTokens; step++) {
      const best = tidy(() => {
        const hidden = qwen2Forward({ config, params, embeddings: next, cache });
        const last = reshape(slice(hidden, [0, hidden.shape[1] - 1, 0]), [1, config.hidden_size]);
        return argMax(linear(last as Tensor2D, constant(head)), -1);
      });
      const [id] = (await best.data()) as Int32Array;
      best.dispose();
      if (id === undefined || text.eosTokenIds.includes(id)) return;
      yield id;
      next.dispose();
      next = embed(Int32Array.of(id));
    }
  } finally {
    next.dispose();
    disposeKeyValueCache(cache);
  }
}
