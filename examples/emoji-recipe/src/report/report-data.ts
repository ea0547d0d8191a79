/** Percent right by task, and their mean. */
interface TaskScores {
  readonly macro: number;
  readonly tasks: Readonly<Record<string, number>>;
}

export interface SchemeScore extends TaskScores {
  /** Sample standard deviation of macro over seeds. */
  readonly deviation?: number;
  readonly label?: string;
}

/** Everything that the report shows; it reads nothing else. */
export interface ReportData {
  readonly title: string;
  /** A taste and not a result: said in large letters. */
  readonly quick: boolean;
  readonly command: string;
  readonly seconds: number;
  readonly versions: Readonly<Record<string, string>>;
  readonly engine: string;
  readonly seeds: number;
  readonly summary: {
    /** By name of the model or scheme, in the order to show. */
    readonly scores: Readonly<Record<string, SchemeScore>>;
    readonly floors: { readonly majority: TaskScores; readonly blind: TaskScores };
    readonly paired?: { readonly mean: number; readonly deviation: number; readonly seeds: number };
  };
  /** `rows` have wandb-style flat keys: `_step`, `train/loss`, `train/loss_ce`, `opt/lr`, … */
  readonly curves: readonly {
    readonly chain: string;
    readonly stage: string;
    readonly seed: number;
    readonly rows: readonly Readonly<Record<string, number>>[];
  }[];
  /** `image` is a data URI. */
  readonly samples: readonly {
    readonly image: string;
    readonly question: string;
    readonly answer: string;
    readonly answers: Readonly<Record<string, string>>;
  }[];
  readonly licences: readonly { readonly vendor: string; readonly licence: string; readonly author?: string }[];
  readonly config: unknown;
}
