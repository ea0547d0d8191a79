import { setImmediate } from "node:timers/promises";
import { KdError } from "@kd/contract";
import { collate, streamText } from "@kd/data";
import { generateStream, type LlavaBatch } from "@kd/mllm";
import { type DecodingOptions, streamTokens } from "@kd/slm";
import type { OpenModel } from "./open-model.ts";
import type { Pictures } from "./pictures.ts";
import type { Prompt } from "./prompt.ts";

/** A question to a model, with how to choose the tokens of the answer. */
export interface Question extends Omit<DecodingOptions, "eosTokenIds" | "stopWhen"> {
  /** The whole prompt, of `promptOf` or `rawPrompt`. */
  readonly prompt: Prompt;
  /** What it shows, of `readPictures`. */
  readonly pictures: Pictures;
  /** The answer ends before the first of these texts. */
  readonly stop?: readonly string[];
}

/** What came of it. */
export interface Answer {
  readonly prompt_ids: readonly number[];
  /** Without the end token. */
  readonly ids: readonly number[];
  /** Up to the first stop text. */
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

/** Answers a question, the most probable tokens where nothing else is said. */
export async function ask(
  model: OpenModel,
  question: Question,
  { onText = () => {}, signal }: AskOptions = {},
): Promise<Answer> {
  const { text, config, params, vision } = model;
  const { stop: stopStrings = [], pictures: _, prompt: __, ...decoding } = question;
  const batch = promptBatch(model, question);
  const options = { ...decoding, eosTokenIds: text.eosTokenIds };
  const prompts = [[...batch.inputIds]];
  const steps =
    vision === undefined
      ? streamTokens({ ...options, config, params, prompts })
      : generateStream(vision.model, batch, options);
  const ids: number[] = [];
  let answer = "";
  let first = performance.now();
  const counted = (async function* () {
    for await (const step of steps) {
      if (ids.length === 0) first = performance.now();
      if (step[0] !== undefined) ids.push(step[0]);
      yield step;
      await setImmediate(); // lets Ctrl-C through
      if (signal?.aborted) return;
    }
  })();
  for await (const piece of streamText(counted, { tokenizer: text.tokenizer, stopStrings })) {
    answer += piece;
    onText(piece);
  }
  const seconds = (performance.now() - first) / 1000;
  const stopped = ids.length < question.maxNewTokens;
  const passes = stopped ? ids.length : ids.length - 1;
  return {
    prompt_ids: [...batch.inputIds],
    ids,
    text: answer,
    tokens_per_second: passes > 0 ? passes / seconds : 0,
    finish_reason: stopped ? "stop" : "length",
  };
}

function promptBatch({ config }: OpenModel, { prompt, pictures }: Question): LlavaBatch {
  const { inputIds, imageSpans } = prompt;
  if (inputIds.length === 0) throw new KdError("KD_DATA", "prompt: expected a text, got none; give one");
  const batch = collate([{ inputIds, labels: inputIds, imageSpans }], { padId: 0, vocabSize: config.vocab_size });
  const { first, images, tiled } = pictures;
  if (images === undefined) return batch;
  const spans = batch.imageSpans.map((span) => ({ ...span, image: first[span.image] as number }));
  return { ...batch, imageSpans: spans, images, ...(tiled === undefined ? {} : { pictures: tiled }) };
}
