import type { DecodingOptions } from "@kd/slm";
import { type Command, InvalidArgumentError, Option } from "commander";
import { wholeNumber } from "./engine.ts";

/** What the options of {@link withDecoding} give. */
export interface DecodingFlags extends Omit<DecodingOptions, "eosTokenIds" | "stopWhen"> {
  readonly stop?: readonly string[];
}

/** Adds the options of how an answer's tokens are chosen; greedy where nothing is said. */
export function withDecoding(command: Command, maxNewTokens: number): Command {
  return command
    .option("--max-new-tokens <n>", "at most so many", wholeNumber, maxNewTokens)
    .option("--temperature <x>", "draw from the softmax at it; 0, the most probable token, by default", atLeastZero)
    .option("--top-k <n>", "draw from so many tokens", wholeNumber)
    .option("--top-p <x>", "draw from the most probable tokens that have this probability together", atLeastZero)
    .option("--repetition-penalty <x>", "make what was said less probable, from 1 on", atLeastZero)
    .option("--seed <n>", "of what is drawn", Number)
    .addOption(
      new Option("--stop <text>", "end before this text; again for more").argParser((text, all: string[] = []) => [
        ...all,
        text,
      ]),
    );
}

/** The flags that choose tokens, and no others. */
export function decodingOf({
  maxNewTokens,
  temperature,
  topK,
  topP,
  repetitionPenalty,
  seed,
  stop,
}: DecodingFlags): DecodingFlags {
  const given = Object.entries({ temperature, topK, topP, repetitionPenalty, seed, stop }).filter(
    ([, value]) => value !== undefined,
  );
  return { maxNewTokens, ...Object.fromEntries(given) };
}

function atLeastZero(value: string): number {
  const number = Number(value);
  if (!(number >= 0)) throw new InvalidArgumentError("Expected a number of at least 0.");
  return number;
}
