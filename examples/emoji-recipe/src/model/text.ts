import { type Conversation, createTokenizer, encodeConversation, type Sample, type Template } from "@kd/data";
import type { Lexicon } from "../data/lexicon.ts";
import { buildTokenizer, SPECIAL_TOKENS } from "../data/tokenizer.ts";

/** A record's text parts; a caption's question is empty. */
interface TextTurn {
  readonly question: string;
  readonly answer: string;
}

/** Visual tokens of a picture: 48 px in patches of 12. */
export const IMAGE_TOKENS = 16;

const idOf = (token: string): number => SPECIAL_TOKENS.indexOf(token);
export const PAD_ID: number = idOf("<pad>");
export const IMAGE_ID: number = idOf("<image>");
export const EOS_ID: number = idOf("<eos>");

// The picture comes first, so that its visual tokens are the same whatever is asked about it.
const questionTemplate: Template = {
  name: "emoji-question",
  system: "",
  user: "",
  assistant: " <ast>",
  beforeAnswer: " ",
  afterAnswer: " <eos>",
};
const captionTemplate: Template = {
  ...questionTemplate,
  name: "emoji-caption",
  assistant: "<bos>",
  dropQuestion: true,
};

/** Text to ids and back. */
export interface Text {
  readonly tokenizerJson: object;
  readonly vocabularySize: number;
  /** Image tokens, question and supervised answer; with `prompt`, what the model is asked to go on from. */
  encode(turn: TextTurn, options?: { readonly prompt?: boolean }): Sample;
  /** Ids of plain text. */
  ids(text: string): number[];
  decode(ids: readonly number[]): string;
}

/** The tokenizer of the recipe: one token a word of the lexicon; with a `pieceLength` another, of pieces of words. */
export function openText(lexicon: Lexicon, options: { readonly pieceLength?: number } = {}): Text {
  const tokenizerJson = buildTokenizer(lexicon, options) as { model: { vocab: Record<string, number> } };
  const tokenizer = createTokenizer(tokenizerJson);
  return {
    tokenizerJson,
    vocabularySize: Object.keys(tokenizerJson.model.vocab).length,
    encode: ({ question, answer }, { prompt = false } = {}) => {
      const conversation: Conversation = {
        id: question,
        images: ["image"],
        rounds: [{ question: `<image>\n${question}`, answer }],
      };
      return encodeConversation(conversation, {
        tokenizer,
        template: question === "" ? captionTemplate : questionTemplate,
        imageTokenId: IMAGE_ID,
        imageTokens: IMAGE_TOKENS,
        prompt,
      });
    },
    ids: (text) => tokenizer.encode(text),
    decode: (ids) => tokenizer.decode(ids),
  };
}
