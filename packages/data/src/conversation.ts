import { KdError } from "@kd/contract";
import { z } from "zod";

const turnSchema = z.object({ from: z.enum(["human", "gpt"]), value: z.string() });
const recordSchema = z.object({
  id: z.union([z.string(), z.number()]).nullish(),
  image: z.union([z.string(), z.array(z.string())]).nullish(),
  conversations: z.array(turnSchema).min(1),
});

/** One LLaVA item: image paths and question-answer rounds. */
export interface Conversation {
  /** "" when the record has none. */
  readonly id: string;
  /** As written in the record, in the order of the tags. */
  readonly images: readonly string[];
  readonly rounds: readonly { readonly question: string; readonly answer: string }[];
}

/** Parses one LLaVA record; `where` names file and index in errors. Throws `KD_DATA`. */
export function parseConversation(record: unknown, where: string): Conversation {
  const parsed = recordSchema.safeParse(record);
  const given = (record as { id?: unknown } | null | undefined)?.id;
  const hasId = (typeof given === "string" && given !== "") || typeof given === "number";
  const named = hasId ? `${where} (id ${String(given).slice(0, 80)})` : where;
  if (!parsed.success)
    throw new KdError(
      "KD_DATA",
      `${named}: not a LLaVA record; ${z.prettifyError(parsed.error)}; correct or remove it`,
    );
  const { conversations } = parsed.data;
  const id = parsed.data.id ?? "";
  const image = parsed.data.image ?? [];
  const turns = conversations[0]?.from === "gpt" ? conversations.slice(1) : conversations;
  if (turns.length === 0 || turns.length % 2 || turns.some((turn, i) => turn.from !== (i % 2 ? "gpt" : "human")))
    throw new KdError(
      "KD_DATA",
      `${named}: expected human and gpt turns in pairs, got ${
        turns
          .map((t) => t.from)
          .join(", ")
          .slice(0, 200) || "none"
      }; correct the turns`,
    );
  const rounds = [];
  for (let i = 0; i < turns.length; i += 2)
    rounds.push({ question: turns[i]?.value ?? "", answer: turns[i + 1]?.value ?? "" });
  return { id: String(id), images: typeof image === "string" ? [image] : image, rounds };
}

/** Parses a LLaVA JSON array; `file` names it in errors. Throws `KD_DATA`. */
export function parseConversations(records: unknown, { file = "records" }: { file?: string } = {}): Conversation[] {
  if (!Array.isArray(records))
    throw new KdError("KD_DATA", `${file}: expected an array of records, got ${typeof records}; wrap it in [ ]`);
  return records.map((record, i) => parseConversation(record, `${file}[${i}]`));
}
