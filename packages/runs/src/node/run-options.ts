import type { ResumableTraining, StepReport, TrainingState } from "@kd/contract";
import type { MetricsRow } from "../metrics-row.ts";
import type { Environment } from "./checkpoint.ts";

/** One stage of a run. A run knows no model and no data: they are behind `open`. */
export interface RunStage {
  /** Unlike any other of the run. */
  readonly name: string;
  readonly totalSteps: number;
  /** Opens the stage on the weights as they are, or goes on from what its own training saved. */
  readonly open: (saved?: TrainingState) => ResumableTraining | Promise<ResumableTraining>;
  /** Ids of the records of a step, counted from 1: written down when its loss is not finite. */
  readonly recordsOf?: (step: number) => readonly string[] | Promise<readonly string[]>;
}

/** Options of {@link runStages}. */
export interface RunOptions {
  /** `runs/<name>`; see the README for what is in it. */
  readonly folder: string;
  /** In order; each begins with the weights of the one before. */
  readonly stages: readonly RunStage[];
  /** Puts saved weights into the model: called when a run goes on behind a finished stage. `restoreWeights` of `@kd/stages` does it. */
  readonly handOver: (saved: TrainingState) => void | Promise<void>;
  /** The merged configuration, plain; a folder of another one is refused. */
  readonly config: unknown;
  /** Engine, matrix product, threads: kept in each checkpoint with the versions, compared on resume. */
  readonly environment: Environment;
  /** Of what makes the run. @defaultValue Node's alone */
  readonly versions?: Readonly<Record<string, string>>;
  /** @defaultValue none */
  readonly commit?: string | undefined;
  /** As typed, for `command.txt`. @defaultValue none */
  readonly command?: string | undefined;
  /** `new` refuses a folder that exists, `resume` goes on (or begins, without a folder), `overwrite` begins again. @defaultValue "new" */
  readonly start?: "new" | "resume" | "overwrite";
  /** Keys of `config`, at any depth, that a resumed run may have others of: what is trained must not depend on them. @defaultValue none */
  readonly mayChange?: readonly string[] | undefined;
  /** Begins this stage again, after the weights of the stage before it; what came later is removed. Needs `start: "resume"`. @defaultValue none */
  readonly from?: string | undefined;
  /** Another run's folder whose first stages are the same: what it trained up to the end of `stage` is taken from it. @defaultValue none */
  readonly fork?: { readonly folder: string; readonly stage: string } | undefined;
  /** Steps between two checkpoints; a stage's end makes one, too. @defaultValue 200 */
  readonly checkpointEvery?: number;
  /** Newest checkpoints to keep, beside the best and those of stages' ends. @defaultValue 2 */
  readonly keepLast?: number;
  /** Numbers about the model as it is, under keys as `eval/macro`. Must not touch what training draws from. @defaultValue none */
  readonly evaluate?: (stage: string, step: number) => Promise<Readonly<Record<string, number>>>;
  /** Steps between two evaluations; a stage's end has one, too. @defaultValue a tenth of the stage */
  readonly evaluateEvery?: number;
  /** Key of `evaluate` whose best checkpoint is kept. @defaultValue none */
  readonly best?: { readonly key: string; readonly lowest?: boolean };
  /** When it aborts, the run saves after the present step and ends: what a first Ctrl-C should do. @defaultValue never */
  readonly signal?: AbortSignal;
}

/** What a run says while it goes on; the caller prints. */
export type RunEvent =
  /** Something the user should read: a fallback to an older checkpoint, another engine. */
  | { readonly kind: "notice"; readonly message: string }
  | {
      readonly kind: "stage";
      readonly stage: string;
      readonly state: "finished-before" | "begins" | "resumes";
      readonly step: number;
    }
  | {
      readonly kind: "step";
      readonly stage: string;
      readonly totalSteps: number;
      readonly report: StepReport;
      readonly row: MetricsRow;
      /** Until this stage ends. */
      readonly millisecondsLeft: number;
    }
  | { readonly kind: "checkpoint"; readonly path: string; readonly milliseconds: number };

/** How a run ended. */
export interface RunResult {
  /** False when `signal` stopped it: it was saved and can go on. */
  readonly finished: boolean;
  /** Steps done, over all stages. */
  readonly step: number;
  /** The last checkpoint. */
  readonly checkpoint: string | undefined;
  readonly best?: { readonly score: number; readonly step: number } | undefined;
}
