import type { TokenBatch } from "@kd/contract";
import { generate, type Llava } from "@kd/mllm";
import type { RunEvaluation } from "@kd/runs/node";
import { type TeacherRows, tokenRelation } from "@kd/stages";
import { type RunConfig, templateOf } from "./config.ts";
import { type EvaluationQuestion, type EvaluationSet, evaluationStage } from "./evaluation-set.ts";
import type { Student } from "./student.ts";
import type { Teacher } from "./teacher.ts";

/** A run's models at its end. */
interface EvaluatedRun {
  readonly config: RunConfig;
  readonly student: Student;
  /** Answers where its model is loaded. */
  readonly teacher: Teacher | undefined;
  /** The teacher or its rows, as far as they are there for these records. */
  readonly taught: Llava | TeacherRows | undefined;
}

type Scores = NonNullable<RunEvaluation["scores"]>;

const NEW_TOKENS = 48;
const PICTURES = 2; // with Gram matrices
const MAIN = "exact match";

/** Asks student and teacher the questions of a set: scores with floors, answers with pictures, Gram matrices. The teacher answers where it is loaded. */
export async function evaluateStudent(
  { note, questions }: EvaluationSet,
  { config, student, teacher, taught }: EvaluatedRun,
): Promise<RunEvaluation> {
  if (questions.length === 0) return {};
  const eosTokenIds = endTokens(config, student);
  const ask = async (model: Llava, blind = false): Promise<string[]> => {
    const answers: string[] = [];
    for (const { batch } of questions) {
      const asked = blind ? blinded(batch) : batch;
      const [ids = []] = await generate(model, asked, { maxNewTokens: NEW_TOKENS, eosTokenIds });
      answers.push(student.text.tokenizer.decode(ids).trim());
    }
    return answers;
  };
  const models = { ...(teacher?.model === undefined ? {} : { teacher: teacher.model }), student: student.model };
  const answers: Record<string, string[]> = {};
  for (const [name, model] of Object.entries(models)) answers[name] = await ask(model);
  const right = (given: readonly string[]): Scores["models"][number]["values"] => ({
    [MAIN]: (100 * questions.filter(({ answer }, i) => answer.trim() === given[i]).length) / questions.length,
  });
  const common = mostFrequent(questions.map(({ answer }) => answer.trim()));
  return {
    scores: {
      unit: "percent right",
      note: `Exact match of ${questions.length} first answers about pictures, of ${note}.`,
      main: MAIN,
      tasks: [],
      models: Object.entries(answers).map(([name, given]) => ({
        name,
        role: name as "teacher" | "student",
        values: right(given),
      })),
      floors: [
        {
          name: "blind",
          values: right(await ask(student.model, true)),
          note: "the student without anything to see",
        },
        { name: "majority", values: right(questions.map(() => common)), note: "their most frequent answer" },
      ],
    },
    samples: {
      note: `Evenly spread over the records, not chosen. A tick marks an answer that is the record's to the letter; at most ${NEW_TOKENS} tokens.`,
      shown: questions.map(({ question, answer, image }, i) => ({
        image,
        question,
        answer,
        answers: Object.fromEntries(Object.entries(answers).map(([name, given]) => [name, given[i] ?? ""])),
      })),
    },
    ...(taught === undefined ? {} : await gramsOf(questions, { student, taught })),
  };
}

async function gramsOf(
  questions: readonly EvaluationQuestion[],
  { student, taught }: { readonly student: Student; readonly taught: Llava | TeacherRows },
): Promise<Pick<RunEvaluation, "grams">> {
  const pictures: NonNullable<RunEvaluation["grams"]>["pictures"][number][] = [];
  for (const { batch, image, question } of questions) {
    if (pictures.length === PICTURES) break;
    if (batch.imageSpans.length !== 1) continue;
    const theirs = await tokenRelation(batch, { model: taught, teacher: taught });
    const ours = await tokenRelation(batch, { model: student.model, teacher: taught });
    pictures.push({
      image,
      caption: question,
      matrices: [
        { name: "teacher", values: theirs.values },
        { name: "student", values: ours.values, note: `RDist ${ours.distance.toFixed(3)}` },
      ],
    });
  }
  const grams = {
    note: "Cosines of a picture's visual tokens with each other, of double-centred logits: RDist makes the student's like the teacher's.",
    pictures,
  };
  return pictures.length === 0 ? {} : { grams };
}

/** What ends an answer: the model's own end tokens and the template's, as the saved student has it. */
function endTokens(config: RunConfig, { text }: Student): number[] {
  const end = templateOf(evaluationStage(config)).afterAnswer.trim();
  const [own] = end === "" ? [] : text.tokenizer.encode(end);
  return [...new Set([...text.eosTokenIds, ...(own === undefined ? [] : [own])])];
}

function blinded(batch: TokenBatch): TokenBatch {
  if (batch.images === undefined) return batch;
  return { ...batch, images: { ...batch.images, data: new Float32Array(batch.images.data.length) } };
}

function mostFrequent(values: readonly string[]): string {
  const counts = new Map<string, number>();
  for (const value of values) counts.set(value, (counts.get(value) ?? 0) + 1);
  return [...counts].reduce((best, entry) => (entry[1] > best[1] ? entry : best), ["", 0])[0];
}
