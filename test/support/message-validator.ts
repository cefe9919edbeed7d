import { Ajv, type SchemaObject } from 'ajv';
import formats from 'ajv-formats';

/** Judges frames by the messages of an AsyncAPI document, with a validator of JSON Schema: what is wrong with one, nothing where it is right. */
export function messageValidator(document: SchemaObject): (key: string, frame: unknown) => readonly string[] {
  const ajv = new Ajv({ strict: true, strictTypes: false, strictRequired: false, allErrors: true, discriminator: false });
  formats.default(ajv, ['date-time', 'uuid']);
  ajv.addVocabulary(['components']);
  ajv.addSchema({ $id: 'protocol', components: document['components'] }, undefined, undefined, false);
  return (key, frame) => {
    const valid = ajv.getSchema(`protocol#/components/messages/${key}/payload`);
    if (valid === undefined) throw new Error(`the document has no message ${key}`);
    void valid(frame);
    return (valid.errors ?? []).map(({ instancePath, message }) => `${instancePath} ${message ?? ''}`);
  };
}
