/** A model's or a floor's numbers by task. */
export interface ScoreRow {
  /** Short, beside a bar. */
  readonly name: string;
  /** In the table. @defaultValue the name */
  readonly label?: string;
  /** Colour of its bars; the others are grey and have a bar of the main number alone. */
  readonly role?: "teacher" | "student" | "control";
  readonly values: Readonly<Record<string, number>>;
  /** Sample standard deviation of the main number over seeds. */
  readonly deviation?: number;
}

/** Scores as bars and as a table. */
export interface ReportScores {
  /** As "percent right": heads the table. Bars run from 0 to 100. */
  readonly unit: string;
  /** What they are scores of. */
  readonly note: string;
  /** The number that the others are summed up in. */
  readonly main: string;
  /** Numbers that get bars of their own. */
  readonly tasks: readonly string[];
  readonly models: readonly ScoreRow[];
  /** What can be had for nothing, at most two: marks on the bars, last rows of the table. */
  readonly floors: readonly (ScoreRow & { readonly note: string })[];
}

/** One stage of one line of the curves. */
export interface ReportCurve {
  /** The run or chain that it belongs to; lines are coloured in the order in which they first come. */
  readonly line: string;
  /** What the legend calls it at this stage; stages of the same label and last row are drawn once. @defaultValue the line */
  readonly label?: string;
  readonly stage: string;
  /** With wandb-style flat keys: `stage_step`, `train/loss`, `train/loss_ce`, `opt/lr`, … */
  readonly rows: readonly Readonly<Record<string, number | string | null>>[];
}

/** Everything that the report shows; it reads nothing else. All text is escaped. */
export interface ReportData {
  readonly title: string;
  /** Said in a box: a taste and not a result. */
  readonly notice?: string;
  /** What was run, on what, how long. */
  readonly facts: readonly (readonly [term: string, text: string])[];
  /** The one difference that the run is about, with what it is. */
  readonly headline?: { readonly value: number; readonly text: string };
  readonly scores?: ReportScores;
  readonly samples?: {
    readonly note: string;
    /** `image` is a data URI. */
    readonly shown: readonly {
      readonly image: string;
      readonly question: string;
      readonly answer: string;
      readonly answers: Readonly<Record<string, string>>;
    }[];
  };
  /** Pictures with the matrices of their visual tokens, row-major, values from -1 to 1. */
  readonly grams?: {
    readonly note: string;
    readonly pictures: readonly {
      readonly image: string;
      readonly caption: string;
      readonly matrices: readonly {
        readonly name: string;
        readonly values: ArrayLike<number>;
        readonly note?: string;
      }[];
    }[];
  };
  readonly curves: readonly ReportCurve[];
  readonly curvesNote?: string;
  readonly tables?: readonly {
    readonly title: string;
    readonly columns: readonly string[];
    readonly rows: readonly (readonly string[])[];
  }[];
  readonly lists?: readonly { readonly title: string; readonly items: readonly string[] }[];
  readonly config: unknown;
}
