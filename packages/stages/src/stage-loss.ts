import { IGNORE_INDEX, KdError, responseRows, type TokenBatch, visualRows } from "@kd/contract";
import { mdist } from "@kd/losses-mdist";
import { rdist } from "@kd/losses-rdist";
import {
  add,
  constant,
  type Divergence,
  gatherRows,
  mul,
  type Operand,
  type Rng,
  reshape,
  rowLosses,
  type Scalar,
  scalar,
  type Tensor2D,
  type Tensor3D,
  tensor1d,
  type VisionLanguageModel,
} from "@kd/tensor-core";
import { type DistillWeights, presets, type StageRecord } from "./stages.ts";
import { isKept, keptTargets, type TaughtRows, type TeacherRows, targetsOf } from "./teacher-rows.ts";
import type { MicroLoss } from "./train-options.ts";

/** What a whole step is divided by. */
export interface Counts {
  readonly response: number;
  readonly visual: number;
  readonly spans: number;
  readonly batches: number;
}

export function countsOf(step: readonly TokenBatch[]): Counts {
  const sum = (of: (batch: TokenBatch) => number) => step.reduce((total, batch) => total + of(batch), 0);
  return {
    response: sum((batch) => responseRows(batch).length),
    visual: sum((batch) => visualRows(batch).length),
    spans: sum((batch) => batch.imageSpans.length),
    batches: sum((batch) => (batch.imageSpans.length > 0 ? 1 : 0)),
  };
}

export interface StageLossOptions {
  readonly stage: StageRecord;
  readonly student: VisionLanguageModel;
  readonly teacher?: VisionLanguageModel | TeacherRows;
  /** What the teacher's kept rows are for this micro-batch. */
  readonly taught?: TaughtRows | undefined;
  readonly weights?: DistillWeights;
  readonly temperature?: number;
  readonly divergence?: Divergence;
  readonly gradientCheckpointing?: boolean;
  readonly rng?: Rng;
  readonly trainable: ReadonlySet<string>;
}

/** `ce + α·mdist.response + β·mdist.visual + γ·rdist` of one micro-batch, each a sum over its rows divided by the whole step's count. */
export function stageLoss(batch: TokenBatch, counts: Counts, options: StageLossOptions): () => MicroLoss {
  const {
    stage,
    student,
    weights: { alpha, beta, gamma, rdist: form } = presets.paper,
    temperature = 1,
    divergence = { kind: "forwardKl" },
    gradientCheckpointing = false,
    rng,
    trainable,
  } = options;
  const teacher = stage.distills ? options.teacher : undefined;
  const response = responseRows(batch);
  const visual = visualRows(batch);
  const labels = labelsOf(batch, response, student.head.shape[0]);
  const rowsOf = (hidden: Tensor3D, rows: Int32Array): Tensor2D =>
    gatherRows(reshape(hidden, [-1, hidden.shape[2]]) as Tensor2D, tensor1d(rows, "int32")) as Tensor2D;
  const targets = teacherTargets({ teacher, taught: options.taught }, batch, { response, visual, temperature });

  return () => {
    const { hidden } = student.forward(batch, {
      training: true,
      trainable,
      gradientCheckpointing,
      ...(rng === undefined ? {} : { rng }),
    });
    const head = headOperand(student, trainable);
    const parts: Record<string, Scalar> = {};
    let loss: Scalar = scalar(0);
    const answer = rowLosses({
      student: { hidden: rowsOf(hidden, response), head },
      labels: tensor1d(labels, "int32"),
      ceWeight: 1 / Math.max(counts.response, 1),
      ...(targets.response === undefined || alpha === 0
        ? {}
        : { teacher: targets.response, klWeight: alpha / Math.max(counts.response, 1), temperature, divergence }),
    });
    loss = add(loss, answer.loss);
    parts.ce = answer.ce;
    if (targets.visual === undefined) return { loss, parts };
    // A term of weight 0 is not computed and reported as 0, as are the visual terms of text alone.
    parts["mdist.response"] = alpha === 0 ? scalar(0) : mul(answer.kl, 1 / alpha);
    parts["mdist.visual"] = scalar(0);
    parts.rdist = scalar(0);
    if (visual.length === 0) return { loss, parts };
    const seen = { hidden: rowsOf(hidden, visual), head };
    if (beta !== 0) {
      const { visual: image } = mdist({
        student: seen,
        teacher: targets.visual,
        responseRows: new Int32Array(0), // theirs is computed with the cross-entropy above
        visualRows: Int32Array.from(visual.keys()),
        counts: { response: 1, visual: counts.visual },
        divergence,
        temperature,
      });
      loss = add(loss, mul(image, beta));
      parts["mdist.visual"] = image;
    }
    if (gamma !== 0) {
      const lengths = batch.imageSpans.map((span) => span.length);
      const count = form.flavour === "whole-batch" ? counts.batches : counts.spans;
      const relation = rdist({ student: seen, teacher: targets.visual, lengths, ...form, count: Math.max(count, 1) });
      loss = add(loss, mul(relation, gamma));
      parts.rdist = relation;
    }
    return { loss, parts };
  };
}

function teacherTargets(
  { teacher, taught }: Pick<StageLossOptions, "taught"> & { readonly teacher: StageLossOptions["teacher"] | undefined },
  batch: TokenBatch,
  { response, visual, temperature }: { response: Int32Array; visual: Int32Array; temperature: number },
) {
  if (teacher === undefined) return { response: undefined, visual: undefined };
  if (!isKept(teacher)) return targetsOf(teacher, batch, { response, visual });
  if (taught === undefined)
    throw new KdError("KD_CONFIG", "stageLoss: a teacher's kept rows must be read before the step, got none");
  return keptTargets(teacher.head, taught, { rows: { response: response.length, visual: visual.length }, temperature });
}

/** Labels of the response rows: the next token's. */
function labelsOf({ labels }: TokenBatch, rows: Int32Array, vocabulary: number): Int32Array {
  return Int32Array.from(rows, (row) => {
    const label = labels[row + 1] ?? IGNORE_INDEX;
    if (label < 0 || label >= vocabulary)
      throw new KdError(
        "KD_DATA",
        `trainStage: label ${label} at flat position ${row + 1} is outside [0, ${vocabulary}); use the tokenizer of this model`,
      );
    return label;
  });
}

/** The head gets a gradient when the stage trains it (tied: it is the embedding). */
function headOperand({ params, head }: VisionLanguageModel, trainable: ReadonlySet<string>): Operand<Tensor2D> {
  for (const name of trainable) if (params.get(name) === (head as unknown)) return head;
  return constant(head);
}
