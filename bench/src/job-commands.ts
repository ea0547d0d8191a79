import { parseArgs } from "node:util";
import { generation } from "./generation.ts";
import { kdTerms } from "./kd-terms.ts";
import { jobOptions, runJob } from "./run-job.ts";
import { parseSizes } from "./sizes.ts";
import { stageStep } from "./stage-step.ts";
import { textStep } from "./text-step.ts";
import { UsageError, wholeNumber } from "./usage-error.ts";

export function step(args: string[]): Promise<void> {
  const { values } = parseArgs({
    args,
    options: {
      ...jobOptions,
      config: { type: "string", default: "a" },
      "frozen-slm": { type: "boolean", default: false },
      dpt: { type: "boolean", default: false },
    },
  });
  const { config, "frozen-slm": frozen, dpt } = values;
  if (frozen && dpt) throw new UsageError("step: expected --frozen-slm or --dpt, got both");
  const sizes = parseSizes(config);
  return runJob(values, () =>
    frozen || dpt ? stageStep(config, sizes, dpt ? "dpt" : "frozen-slm") : textStep(config, sizes),
  );
}

export function kd(args: string[]): Promise<void> {
  const { values } = parseArgs({
    args,
    options: {
      ...jobOptions,
      vocab: { type: "string", default: "32000" },
      rows: { type: "string", default: "256" },
      chunk: { type: "string" },
    },
  });
  const sizes = {
    rows: wholeNumber("rows", values.rows),
    vocabulary: wholeNumber("vocab", values.vocab),
    ...(values.chunk === undefined ? {} : { chunkSize: wholeNumber("chunk", values.chunk) }),
  };
  return runJob(values, () => kdTerms(sizes));
}

export function generate(args: string[]): Promise<void> {
  const { values } = parseArgs({
    args,
    options: {
      ...jobOptions,
      steps: { type: "string", default: "3" },
      prompt: { type: "string", default: "16" },
      tokens: { type: "string", default: "32" },
    },
  });
  const sizes = { prompt: wholeNumber("prompt", values.prompt), newTokens: wholeNumber("tokens", values.tokens) };
  return runJob(values, () => generation(sizes));
}
