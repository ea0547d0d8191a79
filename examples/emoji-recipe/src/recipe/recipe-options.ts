import type { DistillWeights } from "@kd/stages";
import { parseOptions, UsageError, wholeNumber } from "../train/options.ts";
import { RELATION_FORMS, relationWeights } from "./relation-forms.ts";
import {
  ALL_SCHEMES,
  type Budget,
  type Chain,
  CONTROL,
  chainOf,
  FULL_BUDGET,
  QUICK_BUDGET,
  STUDENT,
} from "./schemes.ts";

const USAGE = `npm run recipe -- [--name NAME] [--seeds N] [--schemes all] [--quick] [--last-steps N] [--no-blas]
                      [--rdist FORM] [--gamma N] [--no-kl] [--cache-teacher] [--resume [--from STAGE] | --overwrite]

  --name NAME     folder under runs/; the date and time by default
  --seeds N       repeat with N seeds and report mean ± deviation; 1 by default
  --schemes all   every order of the stages, and the control at the student's CPU time
  --quick         a taste of a minute, labelled as such
  --last-steps N  steps of the third stage; 600 by default
  --no-blas       use no system BLAS even where there is one
  --rdist FORM    relation that distils: ${Object.keys(RELATION_FORMS).join(", ")}; raw by default
  --gamma N       its weight; 0.5, the paper's, by default
  --no-kl         distil the relation alone
  --cache-teacher keep the teacher's rows in .cache/emoji, and take what is there: a run of the same seed distils without it
  --resume        go on with runs/NAME
  --from STAGE    train again from this stage on, as dpt-sft; what it builds on is kept
  --overwrite     start runs/NAME again`;

/** What a command line asks for. */
export interface RecipeOptions {
  /** A plain name of a folder under runs/. */
  readonly name: string;
  readonly seeds: readonly number[];
  /** Every order of the stages, and the control at the student's CPU time. */
  readonly everything: boolean;
  readonly quick: boolean;
  readonly budget: Budget;
  readonly chains: readonly Chain[];
  readonly blas: boolean;
  /** Distil from the teacher's kept rows. */
  readonly cacheTeacher: boolean;
  readonly resume: boolean;
  readonly overwrite: boolean;
  /** Stage to begin again with, by its chain so far. */
  readonly from: string | undefined;
}

/** Reads the process's command line; `UsageError` says what is wrong with it. */
export function recipeOptions(): RecipeOptions {
  const options = parseOptions(USAGE, {
    strings: ["name", "seeds", "schemes", "last-steps", "rdist", "gamma", "from"],
    flags: ["quick", "no-blas", "no-kl", "cache-teacher", "resume", "overwrite"],
  });
  const { quick, resume, overwrite, from } = options;
  if (options.schemes !== undefined && options.schemes !== "all")
    throw new UsageError(`--schemes: expected "all", got "${options.schemes}"\n\n${USAGE}`);
  const name = options.name ?? new Date().toISOString().slice(0, 19).replace("T", "-").replaceAll(":", "");
  if (!/^[\w.-]+$/.test(name) || name.startsWith("."))
    throw new UsageError(`--name: expected letters, digits, "-", "_" and ".", got "${name}"`);
  const everything = options.schemes === "all";
  const basic = quick ? QUICK_BUDGET : FULL_BUDGET;
  const budget = { ...basic, third: wholeNumber("last-steps", options["last-steps"] ?? String(basic.third)) };
  const weights = distillWeights(options);
  const chains = (everything ? ALL_SCHEMES : [CONTROL, STUDENT]).map((scheme) => chainOf(scheme, budget, weights));
  const stageNames = chains.flatMap((chain) => chain.stages.map(({ prefix }) => prefix));
  if (from !== undefined && !(resume && stageNames.includes(from)))
    throw new UsageError(`--from: expected --resume and one of ${[...new Set(stageNames)].join(", ")}, got "${from}"`);
  return {
    name,
    seeds: Array.from({ length: wholeNumber("seeds", options.seeds ?? "1") }, (_, i) => i + 1),
    everything,
    quick,
    budget,
    chains,
    blas: !options["no-blas"],
    cacheTeacher: options["cache-teacher"],
    resume,
    overwrite,
    from,
  };
}

/** Undefined for the paper's. */
function distillWeights(options: {
  readonly rdist?: string;
  readonly gamma?: string;
  readonly "no-kl": boolean;
}): DistillWeights | undefined {
  const { rdist = "raw", gamma = "0.5", "no-kl": noKl } = options;
  if (options.rdist === undefined && options.gamma === undefined && !noKl) return undefined;
  if (!Object.hasOwn(RELATION_FORMS, rdist))
    throw new UsageError(
      `--rdist: expected one of ${Object.keys(RELATION_FORMS).join(", ")}, got "${rdist}"\n\n${USAGE}`,
    );
  if (!(Number(gamma) >= 0)) throw new UsageError(`--gamma: expected a number of at least 0, got "${gamma}"`);
  return relationWeights(rdist, Number(gamma), { kl: !noKl });
}
