import type { AddedToken, Tokenizer } from "@huggingface/tokenizers";
import { KdError } from "@kd/contract";

type Section = string | AddedToken;

/** Cuts a text at tokens that were added to the vocabulary, the longest first. `forms` maps how a token is written to the token. */
function splitter(forms: ReadonlyMap<string, AddedToken>): (text: string) => Section[] {
  const written = [...forms.keys()].filter((form) => form !== "").sort((a, b) => b.length - a.length);
  const escaped = written.map((form) => form.replaceAll(/[.*+?^${}()|[\]\\/-]/g, "\\$&"));
  const pattern = new RegExp(escaped.length === 0 ? "(?!)" : escaped.join("|"), "g");
  return (text) => {
    const sections: Section[] = [];
    let from = 0;
    let stripped = false; // the token before takes the blanks after it
    const plain = (end: number, strip: boolean): void => {
      const left = stripped ? text.slice(from, end).trimStart() : text.slice(from, end);
      const kept = strip ? left.trimEnd() : left;
      if (kept !== "") sections.push(kept);
    };
    for (const match of text.matchAll(pattern)) {
      const token = forms.get(match[0]) as AddedToken;
      plain(match.index, token.lstrip);
      sections.push(token);
      from = match.index + match[0].length;
      stripped = token.rstrip;
    }
    plain(text.length, false);
    return sections;
  };
}

/** A stretch between added tokens: the texts of parts `first`, `first` + 1, … that are in it. */
interface Stretch {
  readonly first: number;
  readonly texts: string[];
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

  /** What the model reads of a stretch: words, and added tokens found only after normalising. */
  const words = (text: string, index: number): Section[] =>
    splitNormalized(normalize(text)).flatMap((section) => {
      if (typeof section !== "string" || preTokenizer === null) return [section];
      return preTokenizer(section, { section_index: index });
    });
  const lengthOf = (word: Section): number => (typeof word === "string" ? word : word.content).length;
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

  /** Ids of each text of a stretch, which is number `index` of the whole. */
  const encodeStretch = (texts: readonly string[], index: number): number[][] => {
    const whole = texts.join("");
    let cut = 0;
    const ends = texts.slice(0, -1).map((text) => {
      cut += text.length;
      return words(whole.slice(0, cut), index).reduce((sum, word) => sum + lengthOf(word), 0);
    });
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
    for (const word of words(whole, index)) {
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
    let index = 0; // of the stretch in the whole: some tokenizers write a blank before the first
    let open: Stretch | undefined;
    const close = (): void => {
      if (open === undefined) return;
      const { first, texts } = open;
      open = undefined;
      encodeStretch(texts, index++).forEach((ids, i) => {
        out[first + i]?.push(...ids);
      });
    };
    for (const [i, part] of parts.entries()) {
      if (part === null) {
        close();
        index++;
        continue;
      }
      if (part === "") open?.texts.push("");
      for (const [k, section] of splitRaw(part).entries()) {
        if (typeof section !== "string") {
          close();
          out[i]?.push(section.id);
          index++;
        } else if (open !== undefined && k === 0) open.texts.push(section);
        else open = { first: i, texts: [section] };
      }
    }
    close();
    return out;
  };
}
