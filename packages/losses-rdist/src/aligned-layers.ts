import { KdError } from "@kd/contract";

/** By a model's layers: where its seven aligned layers begin, and of how many neighbours a teacher takes the mean. */
const MIDDLE: Readonly<Record<number, readonly [first: number, group: number]>> = {
  24: [8, 2],
  28: [9, 3],
  32: [11, 3],
  40: [13, 5],
};
const COUNT = 7;

/**
 * Which layers CompoDistill aligns: seven from a third of the depth on, a student's layer with the mean of some neighbouring layers of the teacher.
 *
 * @returns indices for `attentions` of a forward pass: `student[i]` belongs to `teacher[i]`
 * @throws KdError `KD_CONFIG` for depths that it has no layers for.
 */
export function alignedLayers({ student, teacher }: { readonly student: number; readonly teacher: number }): {
  readonly student: readonly number[];
  readonly teacher: readonly (readonly number[])[];
} {
  const [[ours], [theirs, group]] = [middleOf("student", student), middleOf("teacher", teacher)];
  const range = (first: number, length: number) => Array.from({ length }, (_, i) => first + i);
  return { student: range(ours, COUNT), teacher: range(theirs, COUNT).map((first) => range(first, group)) };
}

function middleOf(side: string, layers: number): readonly [number, number] {
  const found = MIDDLE[layers];
  if (found !== undefined) return found;
  const known = Object.keys(MIDDLE).join(", ");
  throw new KdError(
    "KD_CONFIG",
    `alignedLayers: ${side} must have ${known} layers, got ${layers}; choose the layers of other models yourself`,
  );
}
