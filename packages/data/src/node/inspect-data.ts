import { createHash } from "node:crypto";
import { KdError } from "@kd/contract";
import { type Conversation, parseConversation } from "../conversation.ts";
import { distribution } from "../distribution.ts";
import type { Inspection, SamePair } from "../inspection.ts";
import { renderConversation } from "../render.ts";
import type { RecordSource } from "../source.ts";
import { templates } from "../template.ts";
import { readImage } from "./decode.ts";
import { pictureBytes } from "./picture-bytes.ts";

/** How {@link inspectData} looks. */
export interface InspectData {
  /** Ids and labels of a conversation, for the token counts. @defaultValue none: no token counts */
  readonly encode?: (conversation: Conversation) => {
    readonly inputIds: ArrayLike<number>;
    readonly labels: ArrayLike<number>;
  };
  /** `hash` reads every picture file, `decode` decodes them, too, `none` leaves them alone. @defaultValue "hash" */
  readonly pictures?: "none" | "hash" | "decode";
  /** Conversations to show, spread evenly over each source. @defaultValue 2 */
  readonly samples?: number;
  /** Bad records and pairs to name. @defaultValue 10 */
  readonly examples?: number;
  /** Hears after each record how many of all are read. */
  readonly onRecord?: (done: number, total: number) => void;
}

const hashOf = (text: string): string => createHash("sha256").update(text).digest("base64url").slice(0, 22);

/** A text by which conversations are the same: tags and white space aside. */
const textOf = ({ rounds }: Conversation): string =>
  JSON.stringify(
    rounds.map(({ question, answer }) =>
      [question, answer].map((text) => text.replaceAll("<image>", " ").replaceAll(/\s+/g, " ").trim().normalize()),
    ),
  );

/** First record of each split that had a hash. */
function firstSeen(examples: number) {
  const splits = new Map<string, Map<string, string>>();
  const found: { count: number; examples: SamePair[] } = { count: 0, examples: [] };
  return {
    found,
    /** Number of hashes over all splits, each once a split. */
    size: (): number => new Set([...splits.values()].flatMap((seen) => [...seen.keys()])).size,
    look: (hashes: readonly string[], where: string, { split, across }: { split: string; across: boolean }): void => {
      const own = splits.get(split) ?? new Map<string, string>();
      splits.set(split, own);
      const others = across ? [...splits].flatMap(([name, seen]) => (name === split ? [] : [seen])) : [own];
      const sameAs = hashes.flatMap((hash) => others.flatMap((seen) => seen.get(hash) ?? []))[0];
      if (sameAs !== undefined && found.count++ < examples) found.examples.push({ where, sameAs });
      for (const hash of hashes) if (!own.has(hash)) own.set(hash, where);
    },
  };
}

/**
 * Reads every record of data sets once and tells what is in them: counts, lengths, bad records, duplicates, and what train and test share. Memory grows
 * by some 600 bytes a record. Nothing is thrown for a bad record; it is counted and named.
 *
 * @param sources `split` is "train" when left out
 */
export async function inspectData(
  sources: readonly { readonly source: RecordSource; readonly split?: string }[],
  options: InspectData = {},
): Promise<Inspection> {
  const { encode, pictures: how = "hash", samples: wanted = 2, examples = 10, onRecord } = options;
  const total = sources.reduce((sum, { source }) => sum + source.length, 0);
  let done = 0;
  const [words, tokens, supervised]: [number[], number[], number[]] = [[], [], []];
  const bad: { count: number; examples: { where: string; message: string }[] } = { count: 0, examples: [] };
  const samples: (Conversation & { where: string })[] = [];
  const [duplicates, picturesSeen, texts] = [firstSeen(examples), firstSeen(examples), firstSeen(examples)];
  const counts: Inspection["sources"][number][] = [];
  for (const { source, split = "train" } of sources) {
    const count = {
      name: source.name,
      split,
      records: source.length,
      bad: 0,
      withPictures: 0,
      textOnly: 0,
      pictures: 0,
      rounds: 0,
    };
    const every = Math.max(1, Math.floor(source.length / Math.max(1, wanted)));
    let shown = 0;
    for (let i = 0; i < source.length; i++) {
      const where = `${source.name}[${i}]`;
      try {
        const record = await source.get(i);
        const conversation = parseConversation(record.value, where);
        const keys: string[] = [];
        for (const image of how === "none" ? [] : conversation.images) {
          const picture = await pictureBytes(record, image);
          keys.push(picture.sha256.slice(0, 32));
          if (how === "decode") await readImage(picture.bytes, { name: picture.where });
        }
        if (encode === undefined) renderConversation(conversation, templates.pretrain); // tags that do not fit the images
        const encoded = encode?.(conversation);
        if (encoded !== undefined) {
          tokens.push(encoded.inputIds.length);
          supervised.push(Array.from(encoded.labels).filter((label) => label >= 0).length);
        }
        words.push(Math.abs(source.lengths[i] ?? 0));
        const text = hashOf(textOf(conversation));
        texts.look([text], where, { split, across: true });
        picturesSeen.look(keys, where, { split, across: true });
        duplicates.look([hashOf([text, ...(how === "none" ? conversation.images : keys)].join())], where, {
          split,
          across: false,
        });
        count.rounds += conversation.rounds.length;
        count.pictures += conversation.images.length;
        if (conversation.images.length > 0) count.withPictures++;
        else count.textOnly++;
        if (shown < wanted && i >= shown * every) {
          samples.push({ ...conversation, where });
          shown++;
        }
      } catch (error) {
        count.bad++;
        const message = KdError.is(error) ? error.message : String(error);
        if (bad.count++ < examples)
          bad.examples.push({ where, message: message.includes(where) ? message : `${where}: ${message}` });
      }
      onRecord?.(++done, total);
    }
    counts.push(count);
  }
  return {
    sources: counts,
    words: distribution(words),
    tokens: encode === undefined ? undefined : distribution(tokens),
    supervised: encode === undefined ? undefined : distribution(supervised),
    bad,
    distinctPictures: picturesSeen.size(),
    duplicates: duplicates.found,
    leaks: { pictures: picturesSeen.found, texts: texts.found },
    samples,
  };
}
