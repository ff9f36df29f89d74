"""A web page that restores photographs: `--mode=app`.

`restoring` does what visitors ask for, without knowing of pages or sessions; `samples`
makes photographs to try it on; `page` lays it out in Gradio; `server` serves it.
"""
