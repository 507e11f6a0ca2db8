"""The built-in corpus: talking heads drawn and voiced by the program, to test the pipeline without any download.

Clip i depends on the seed and on i only. script.py decides what a clip is about, voice.py and face.py render it,
video.py writes the file and corpus.py lays the files out as a real corpus does.
"""
