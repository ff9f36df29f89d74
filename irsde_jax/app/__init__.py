"""A web page that restores photographs: `--mode=app`.

`choices` and `restoring` do the work for visitors, independently of any page. `samples`
makes photographs to try the page with. `page` defines the layout in Gradio, `answers`
the reactions to visitors' input, and `server` serves the page.
"""
