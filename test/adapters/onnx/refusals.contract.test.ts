/** Every fault that a model directory can have, made by changing the reference model's bytes, is refused by name. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { OnnxGraphWriter } from '../../../models/contract/onnx-file.ts';
import { MessageWriter } from '../../../models/contract/protobuf.ts';
import { edit, expectRejection, initialFile, renameTensor, rewrite, tellOtherwise, withNode } from './changed-model.ts';
import type { Files, RawManifest } from './changed-model.ts';

type Change = (files: Files, manifest: RawManifest) => void;

const appended = (old: Uint8Array, ...fields: readonly MessageWriter[]): Uint8Array => Buffer.concat([old, ...fields.map((field) => field.finish())]);
const toGraph = (...fields: readonly MessageWriter[]): Change => (files) => edit(files, 7, (graph) => appended(graph, ...fields));
const node = (opType: string, ...attributes: readonly MessageWriter[]): MessageWriter => {
  const written = new MessageWriter().text(1, 'hidden').text(2, 'unread').text(3, 'planted').text(4, opType);
  for (const attribute of attributes) written.bytes(5, attribute.finish());
  return new MessageWriter().bytes(1, written.finish());
};
const planted = (opType: string): Change => (files) => edit(files, 7, (graph) => withNode(graph, opType));
const told = (key: string, value: string): Change => (files, manifest) => tellOtherwise(files, manifest, key, value);
const renamed = (file: string, from: string, to: string): Change => (files) => void files.set(file, renameTensor(files.get(file)!, from, to));
/** Gives the first dimension of an input or output another value. */
const withFirstDimension = (file: string, field: 11 | 12, dimension: MessageWriter): Change => (files) => {
  files.set(file, rewrite(files.get(file)!, 7, (graph) => rewrite(graph, field, (info) => rewrite(info, 2, (type) => rewrite(type, 1, (tensor) => rewrite(tensor, 2, (shape) => {
    let first = true;
    return rewrite(shape, 1, (old) => {
      const now = first ? dimension.finish() : old;
      first = false;
      return now;
    });
  }))))));
};

describe('a model is refused by name', () => {
  test.each<[string, Change, string, RegExp]>([
    ['states of another size', told('hidden_dim', '33'), 'signature', /initial_inference: output hidden has the shape \[batch, 32\], not \[batch, 33\]/],
    ['afterstates of another size', told('afterstate_dim', '31'), 'signature', /afterstate_inference: output afterstate has the shape \[batch, 32\], not \[batch, 31\]/],
    ['another number of codes', told('chance_codes', '9'), 'signature', /output chance_logits has the shape \[batch, 8\], not \[batch, 9\]/],
    ['an input of another size', told('obs_shape', '[128]'), 'signature', /input observation has the shape \[batch, 137\], not \[batch, 128\]/],
    ['an input of another rank', told('obs_shape', '[1,137]'), 'signature', /input observation has the shape \[batch, 137\], not \[batch, 1, 137\]/],
    ['a batch of one alone', withFirstDimension(initialFile, 11, new MessageWriter().integer(1, 1)), 'signature', /input observation has the shape \[1, 137\], not \[batch, 137\]/],
    ['a batch under another name', withFirstDimension(initialFile, 11, new MessageWriter().text(2, 'n')), 'signature', /input observation has the shape \[n, 137\], not \[batch, 137\]/],
    ['an output under another name', renamed(initialFile, 'value', 'worth'), 'signature', /initial_inference: output value is missing/],
    ['an input under another name', renamed('chance_inference.onnx', 'code', 'outcome'), 'signature', /chance_inference: input code is missing/],
    ['other features', told('feature_set_id', 'swt-76'), 'expectations', /made for the features swt-76, configured are swt-137/],
    ['another discount', told('discount', '0.99'), 'expectations', /made for the discount 0.99, configured is 0.997/],
    ['another order of actions', told('action_order', 'BUY,HOLD,SELL,CLOSE'), 'manifest', /action_order/],
    ['an action more', told('action_order', 'HOLD,BUY,SELL,CLOSE,WAIT'), 'manifest', /action_order/],
    ['another contract', told('contract', 'smz-onnx/2'), 'manifest', /contract/],
    ['probabilities in place of logits', told('policy_output', 'probabilities'), 'manifest', /policy_output/],
    ['a key in the graphs alone', (_files, manifest) => void (manifest['seed'] = '5'), 'metadata', /initial_inference: metadata key seed is "4" where model.json says "5"/],
    ['a newer opset', (files) => edit(files, 8, () => new MessageWriter().text(1, '').integer(2, 18).finish()), 'metadata', /initial_inference: opset 18; at most 17 is allowed/],
    ['no opset', (files) => edit(files, 8, () => new MessageWriter().text(1, '').integer(2, 0).finish()), 'metadata', /initial_inference: opset 0/],
    ['operators of somebody else', (files) => edit(files, 8, () => new MessageWriter().text(1, 'ai.onnx.ml').integer(2, 3).finish()), 'metadata', /operators of the domain "ai.onnx.ml"/],
    ['two graphs in each other\'s place', (files) => {
      const [initial, chance] = [files.get(initialFile)!, files.get('chance_inference.onnx')!];
      files.set(initialFile, chance).set('chance_inference.onnx', initial);
    }, 'metadata', /initial_inference: metadata key graph is "chance_inference"/],
    ...['RandomNormal', 'RandomNormalLike', 'RandomUniform', 'RandomUniformLike', 'Multinomial', 'Bernoulli', 'Dropout'].map((opType): [string, Change, string, RegExp] =>
      [`a random node ${opType}`, planted(opType), 'nodes', new RegExp(`initial_inference: node planted is a ${opType}, which is not allowed`)]),
    ...['Loop', 'If', 'Scan'].map((opType): [string, Change, string, RegExp] =>
      [`control flow by ${opType}`, planted(opType), 'nodes', new RegExp(`initial_inference: node planted is a ${opType}, which is not allowed`)]),
    ['a graph within a node', toGraph(node('SequenceMap', new MessageWriter().text(1, 'body').bytes(6, new Uint8Array(0)))), 'nodes', /node planted holds a graph of its own/],
    ['weights in another file', toGraph(new MessageWriter().bytes(5, new MessageWriter().text(8, 'far').integer(14, 1).finish())), 'nodes', /the data of far lies in another file/],
    ['functions of its own', (files) => void files.set(initialFile, appended(files.get(initialFile)!, new MessageWriter().bytes(25, new Uint8Array(0)))), 'nodes', /defines 1 functions of its own/],
    ['an operator that does not exist', planted('Scattering'), 'signature', /initial_inference: ONNX Runtime refuses it/],
    ['text in place of a graph', (files) => void files.set(initialFile, new TextEncoder().encode('see the attached file')), 'metadata', /initial_inference is no ONNX file/],
    ['an empty graph', (files) => void files.set(initialFile, new OnnxGraphWriter().finish('g', 17, {})), 'metadata', /initial_inference: metadata key graph is missing/],
    ['a probe of another graph\'s kind', (_files, manifest) => void (manifest.probes[0]!.graph = 'recurrent_inference'), 'manifest', /recurrent_inference is no graph of a stochastic model/],
    ['a probe without an output', (_files, manifest) => { delete manifest.probes[0]!.outputs['value']; }, 'signature', /probe of initial_inference: output value has 0 numbers, not 1/],
  ])('with %s', async (_name, change, check, detail) => expectRejection(check, detail, change));

  test('with a file that was cut off, wherever the cut, though its hash and size were made to fit', async () => {
    await fc.assert(fc.asyncProperty(fc.double({ min: 0, max: 0.999, noNaN: true }), async (share) => {
      await expectRejection('', /./, (files) => {
        const bytes = files.get(initialFile)!;
        files.set(initialFile, bytes.subarray(0, Math.floor(bytes.length * share)));
      });
    }), { numRuns: 25, seed: 5 });
  });

  test('with a file that was cut off in transfer: its size says so before anything reads it', async () => {
    const cut: Change = (files) => void files.set(initialFile, files.get(initialFile)!.subarray(0, 1_000));
    await expectRejection('files', /^initial_inference.onnx has 1000 bytes where model.json says 24114$/, cut, { rehash: false });
    expect.assertions(1);
  });
});
