"""Making smaller and quicker versions of models: one file per form, each with a function `make(given) -> Made`.

| form | file | made from | what is made |
| --- | --- | --- | --- |
| float16, dynamic, int8, int4 | `float16.py`, … | the model, or its network | a LiteRT file, in a process of its own |
| prune, sparse, distil | `pruning.py`, … | the model | a Keras file, in the attempt's own process |

`forms.py` has what a form is given and gives, `table.py` lists them.
"""
