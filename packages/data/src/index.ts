export { batches, type Cursor, shuffledIndices } from "./batches.ts";
export {
  type ChatMessage,
  type ChatTemplate,
  type ChatTemplateOptions,
  type ContentPart,
  createChatTemplate,
} from "./chat-template.ts";
export { collate } from "./collate.ts";
export { type Conversation, parseConversation, parseConversations } from "./conversation.ts";
export { type Distribution, distribution } from "./distribution.ts";
export { type EncodeOptions, encodeConversation, type Sample } from "./encode.ts";
export { type Drawable, epochBatches, type Pick } from "./epoch-batches.ts";
export { type EpochOrder, epochOrder, type SamplerName } from "./epoch-order.ts";
export type { RgbImage } from "./image.ts";
export { type ImageProcessor, type ImageProcessorOptions, imageProcessor } from "./image-processor.ts";
export { formatInspection, type Inspection, type SamePair, type Sharing } from "./inspection.ts";
export { type Mixture, mixture } from "./mixture.ts";
export type { AspectRatio } from "./processor-config.ts";
export { type RankBatches, rankBatches } from "./rank-batches.ts";
export { countWords, recordLength } from "./record-length.ts";
export { resize } from "./resize.ts";
export { padSquare, siglipPixels, siglipProcessorConfig } from "./siglip.ts";
export type { RecordSource, SourceRecord } from "./source.ts";
export { stopAt, textBefore } from "./stop-strings.ts";
export { stopTokenIds } from "./stop-tokens.ts";
export { type Template, type TemplateName, templates } from "./template.ts";
export { type StreamText, streamText } from "./text-stream.ts";
export { createTokenizer, type PretrainedTokenizer, type TextTokenizer } from "./tokenizer.ts";
export type { EncodeParts } from "./tokenizer-parts.ts";
export { torchPermutation, torchRandom } from "./torch-random.ts";
export { checkVocabulary } from "./vocabulary.ts";
