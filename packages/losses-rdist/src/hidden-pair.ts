import { KdError } from "@kd/contract";
import {
  assertShapes,
  constant,
  linear,
  type Operand,
  selectRows,
  type Tensor,
  type Tensor2D,
  tensorOf,
} from "@kd/tensor-core";
import { rowShare } from "./row-mean.ts";

/** Options of {@link hiddenCosine} and {@link hiddenMse}. */
export interface HiddenOptions {
  /** Hidden states `[N, D]`; get gradients unless constant. */
  readonly student: Operand<Tensor2D>;
  /** Of the same positions, `[N, E]`; get no gradient. */
  readonly teacher: Tensor2D;
  /** `[E, D]`, from the student's width to the teacher's, trained with the student. @defaultValue none, for equal widths */
  readonly projection?: Operand<Tensor2D>;
  /** Indices of the rows to read. @defaultValue every row */
  readonly rows?: Int32Array;
  /** What the sum over rows is divided by: a whole step's rows. @defaultValue the rows given */
  readonly count?: number;
}

/** Both sides' rows in the teacher's width, and the divisor. */
export function hiddenPair(
  where: string,
  { student, teacher, projection, rows, count }: HiddenOptions,
): { readonly ours: Tensor; readonly theirs: Tensor; readonly share: number } {
  assertShapes(where, {
    student: [tensorOf(student), "N D"],
    ...(projection === undefined ? {} : { projection: [tensorOf(projection), "E D"] }),
    teacher: [teacher, "N E"],
  });
  const [width, wanted] = [tensorOf(student).shape[1], teacher.shape[1]];
  if (projection === undefined && width !== wanted)
    throw new KdError(
      "KD_SHAPE",
      `${where}: student and teacher must be equally wide, got ${width} and ${wanted}; pass a projection [${wanted}, ${width}]`,
    );
  const select = <T extends Operand<Tensor2D>>(from: T): T => (rows === undefined ? from : selectRows(from, rows)) as T;
  const seen = select(student);
  const ours = projection === undefined ? tensorOf(seen) : linear(seen, projection);
  return { ours, theirs: tensorOf(select(constant(teacher))), share: rowShare(where, ours.shape[0] as number, count) };
}
