import { KdError } from "@kd/contract";
import {
  addN,
  assertShapes,
  div,
  gatherRows,
  mean,
  mul,
  reshape,
  type Scalar,
  scalar,
  sum,
  type Tensor,
  type Tensor2D,
  type Tensor4D,
  tensor1d,
  tidy,
} from "@kd/tensor-core";
import { blockDistances } from "./block-distances.ts";
import { rowShare } from "./row-mean.ts";

/** Where an image's tokens lie: an `ImageSpan` of `@kd/contract`. */
interface Span {
  readonly sample: number;
  readonly start: number;
  readonly length: number;
}

/** Options of {@link attentionAlignment}. */
export interface AttentionAlignmentOptions {
  /** Attention maps `[B, H, T, T]` of some layers, rows of queries; get gradients. */
  readonly student: readonly Tensor4D[];
  /** For each of them the teacher's layers that it is compared with the mean of, `[B, H', T, T]` each; get no gradient. */
  readonly teacher: readonly (readonly Tensor4D[])[];
  /** The images' tokens, such as a batch's `imageSpans`; a sample without any has no part. */
  readonly spans: readonly Span[];
  /** What the sum over images is divided by: a whole step's images. @defaultValue the spans given */
  readonly count?: number;
}

/**
 * Visual attention alignment of CompoDistill (arXiv 2510.12184), after its published code: for every layer and image 1 − cosine of the mean
 * attention that each visual token gets from the image's others, without the sinks, which are entries above mean + standard deviation on either
 * side. Sum over layers, mean over images. 0 without images.
 *
 * @throws KdError `KD_SHAPE` naming the layer; `KD_CONFIG` for a count that cannot be.
 */
export function attentionAlignment({ student, teacher, spans, count }: AttentionAlignmentOptions): Scalar {
  check(student, teacher, spans);
  const share = rowShare("attentionAlignment", spans.length, count);
  return tidy(() => {
    if (spans.length === 0) return mul(scalar(0), addN(student.map((maps) => sum(maps)))) as Scalar;
    const lengths = [...new Set(spans.map(({ length }) => length))];
    const sums = student.flatMap((maps, layer) => {
      const ours = overHeads(maps);
      const group = (teacher[layer] ?? []).map(overHeads);
      const theirs = div(addN(group), group.length);
      return lengths.map((length) => {
        const chosen = spans.filter((span) => span.length === length);
        return sum(blockDistances(blocksOf(ours, chosen), blocksOf(theirs, chosen)));
      });
    });
    return div(addN(sums), share) as Scalar;
  });
}

/** `[B, T, T]` */
const overHeads = (maps: Tensor4D): Tensor => mean(maps, 1);

/** The attention among the tokens of each image, `[spans, n, n]`; the spans are of one length. */
function blocksOf(maps: Tensor, spans: readonly Span[]): Tensor {
  const t = maps.shape[1] as number;
  const n = spans[0]?.length ?? 0;
  const at = spans.flatMap(({ sample, start }) =>
    Array.from({ length: n * n }, (_, i) => (sample * t + start + Math.floor(i / n)) * t + start + (i % n)),
  );
  const flat = reshape(maps, [maps.size, 1]) as Tensor2D;
  return reshape(gatherRows(flat, tensor1d(at, "int32")), [spans.length, n, n]);
}

function check(
  student: AttentionAlignmentOptions["student"],
  teacher: AttentionAlignmentOptions["teacher"],
  spans: readonly Span[],
): void {
  if (student.length !== teacher.length || student.length === 0 || teacher.some((group) => group.length === 0))
    throw new KdError(
      "KD_SHAPE",
      `attentionAlignment: teacher must have at least one layer for each of the student's, got ${teacher.map((group) => group.length).join(", ") || "none"} for ${student.length}; see alignedLayers`,
    );
  for (const [i, maps] of student.entries()) {
    const [batch, , length] = maps.shape;
    assertShapes(`attentionAlignment: layer ${i}`, {
      student: [maps, `${batch} H ${length} ${length}`],
      ...Object.fromEntries(
        (teacher[i] ?? []).map((layer, j) => [`teacher ${j}`, [layer, `${batch} G ${length} ${length}`] as const]),
      ),
    });
    const wrong = spans.find(
      (s) => !(s.sample >= 0 && s.sample < batch && s.start >= 0 && s.start + s.length <= length && s.length > 0),
    );
    if (wrong !== undefined)
      throw new KdError(
        "KD_SHAPE",
        `attentionAlignment: a span must lie in ${batch} samples of ${length} tokens, got sample ${wrong.sample}, ${wrong.start} to ${wrong.start + wrong.length}`,
      );
  }
}
