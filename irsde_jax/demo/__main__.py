"""The entry point of `make demo` and `python -m irsde_jax.demo`."""

from irsde_jax.demo.contact_sheet import main

if __name__ == "__main__":
    main()
