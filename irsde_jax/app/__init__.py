"""A web page that restores photographs: `--mode=app`.

`choices` and `restoring` do what visitors ask for, and know of no page; `samples` makes
photographs to try it on. `page` is the layout in Gradio, `answers` what happens when
something is clicked, and `server` serves them.
"""
