"""Turn tracking errors into dose to tumour and liver: estimates for research."""
