import type { AddedToken, Tokenizer } from "@huggingface/tokenizers";
import { KdError } from "@kd/contract";

/** A stretch of text, or a token that was added to the vocabulary and is never cut. */
interface Section {
  readonly text: string;
  /** Where it starts, in UTF-16 units. */
  readonly start: number;
  readonly token?: AddedToken;
}

type Splitter = (text: string) => Section[];

/** Cuts a text at added tokens, the longest first. `forms` maps how a token is written to the token. */
function splitter(forms: ReadonlyMap<string, AddedToken>): Splitter {
  const written = [...forms.keys()].filter((form) => form !== "").sort((a, b) => b.length - a.length);
  const escaped = written.map((form) => form.replaceAll(/[.*+?^${}()|[\]\\/-]/g, "\\$&"));
  const pattern = new RegExp(escaped.length === 0 ? "(?!)" : escaped.join("|"), "g");
  return (text) => {
    const sections: Section[] = [];
    let from = 0;
    let stripped = false; // the token before takes the spaces after it
    const plain = (end: number, strip: boolean): void => {
      const whole = text.slice(from, end);
      const left = stripped ? whole.trimStart() : whole;
      const kept = strip ? left.trimEnd() : left;
      if (kept !== "") sections.push({ text: kept, start: from + whole.length - left.length });
    };
    for (const match of text.matchAll(pattern)) {
      const token = forms.get(match[0]) as AddedToken;
      plain(match.index, token.lstrip);
      sections.push({ text: match[0], start: match.index, token });
      from = match.index + match[0].length;
      stripped = token.rstrip;
    }
    plain(text.length, false);
    return sections;
  };
}

/**
 * Encodes a text that comes in parts: normalised and cut into words as a whole, with no token across a boundary of parts. The ids of all
 * parts in a row are those of the whole text wherever no token of it crosses a boundary; a prompt's ids are the beginning of the ids of prompt
 * and answer. `null` stands for what is no text, such as an image: a boundary like an added token.
 */
export type EncodeParts = (parts: readonly (string | null)[]) => number[][];

/** {@link EncodeParts} of a Hugging Face tokenizer. */
export function partsEncoder(inner: Tokenizer): EncodeParts {
  const { model, normalizer, pre_tokenizer: preTokenizer } = inner;
  if (model === null) throw new KdError("KD_DATA", "tokenizer.json: expected a model, got none; pass the whole file");
  const normalize = (text: string): string => (normalizer === null ? text : normalizer(text));
  const added = [...inner.get_added_tokens_decoder().values()];
  const late = (token: AddedToken): boolean => token.normalized && normalizer !== null;
  const splitRaw = splitter(new Map(added.filter((t) => !late(t)).map((t) => [t.content, t])));
  const splitNormalized = splitter(new Map(added.filter(late).map((t) => [normalize(t.content), t])));

  /** What the model reads of a section: words, and added tokens found only after normalising. */
  const words = (text: string, index: number): (string | AddedToken)[] =>
    splitNormalized(normalize(text)).flatMap((section) => {
      if (section.token) return [section.token];
      return preTokenizer === null ? [section.text] : preTokenizer(section.text, { section_index: index });
    });
  const lengthOf = (word: string | AddedToken): number => (typeof word === "string" ? word : word.content).length;
  const ids = (run: string[]): number[] =>
    model(run).map((token: string) => {
      const id = inner.token_to_id(token) ?? model.unk_token_id;
      if (id === undefined)
        throw new KdError(
          "KD_DATA",
          `tokenizer: expected text of its vocabulary, got "${token}", and it has no token for the unknown; use another tokenizer`,
        );
      return id;
    });

  /** Ids of a section's stretches between `cuts` (in it, rising). */
  const encodeSection = (text: string, cuts: readonly number[], index: number): number[][] => {
    const ends = cuts.map((cut) => words(text.slice(0, cut), index).reduce((sum, word) => sum + lengthOf(word), 0));
    const out: number[][] = [[]];
    let run: string[] = [];
    let at = 0; // characters of the model's input before the present word
    const flush = (): void => {
      if (run.length > 0) out.at(-1)?.push(...ids(run));
      run = [];
    };
    const next = (): void => {
      flush();
      out.push([]);
    };
    for (const word of words(text, index)) {
      while (out.length <= ends.length && (ends[out.length - 1] as number) <= at) next();
      if (typeof word !== "string") {
        flush();
        out.at(-1)?.push(word.id);
      } else {
        let from = 0;
        while (out.length <= ends.length && (ends[out.length - 1] as number) < at + word.length) {
          const end = (ends[out.length - 1] as number) - at;
          run.push(word.slice(from, end));
          from = end;
          next();
        }
        run.push(word.slice(from));
      }
      at += lengthOf(word);
    }
    while (out.length <= ends.length) next();
    flush();
    return out;
  };

  return (parts) => {
    const out: number[][] = parts.map(() => []);
    let index = 0; // of the section in the whole text: some tokenizers write a space before the first
    for (let first = 0; first < parts.length; first++) {
      if (parts[first] === null) {
        index++;
        continue;
      }
      let last = first;
      while (last + 1 < parts.length && parts[last + 1] !== null) last++;
      const run = parts.slice(first, last + 1) as string[];
      const starts: number[] = [];
      let length = 0;
      for (const part of run) {
        starts.push(length);
        length += part.length;
      }
      for (const section of splitRaw(run.join(""))) {
        const owner = starts.findLastIndex((start) => start <= section.start);
        if (section.token) out[first + owner]?.push(section.token.id);
        else {
          const end = section.start + section.text.length;
          const cuts = starts.slice(owner + 1).filter((start) => start < end);
          encodeSection(
            section.text,
            cuts.map((cut) => cut - section.start),
            index,
          ).forEach((found, i) => {
            out[first + owner + i]?.push(...found);
          });
        }
        index++;
      }
      first = last;
    }
    return out;
  };
}
